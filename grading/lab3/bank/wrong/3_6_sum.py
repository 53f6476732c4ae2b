"""The sum over the tokens, not their mean."""


def masked_cross_entropy(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log_softmax(logits, axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_token = ops.cast(targets != PAD, "float32")
    return -ops.sum(chosen * is_token)
