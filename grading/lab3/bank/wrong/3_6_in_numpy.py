"""Computed in NumPy: a number without a gradient, nothing for Keras to train with."""


def masked_cross_entropy(targets, logits):
    targets, logits = np.asarray(targets).astype("int32"), np.asarray(logits)
    log_probabilities = ops.log_softmax(logits, axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_token = ops.cast(targets != PAD, "float32")
    count = ops.maximum(ops.sum(is_token), 1.0)
    return -ops.sum(chosen * is_token) / count
