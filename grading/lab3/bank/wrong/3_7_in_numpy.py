"""Computed in NumPy: Keras cannot use it as a metric."""


def masked_accuracy(targets, logits):
    targets, logits = np.asarray(targets).astype("int32"), np.asarray(logits)
    is_token = ops.cast(targets != PAD, "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
