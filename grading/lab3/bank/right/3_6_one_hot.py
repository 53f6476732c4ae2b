"""A one-hot product over flattened positions and logsumexp, with the weights summing to 1."""


def masked_cross_entropy(targets, logits):
    size = ops.shape(logits)[-1]
    logits = ops.reshape(ops.cast(logits, "float32"), (-1, size))
    targets = ops.reshape(ops.cast(targets, "int32"), (-1,))
    weights = ops.cast(ops.not_equal(targets, PAD), "float32")
    weights = weights / (ops.sum(weights) + ops.cast(ops.all(targets == PAD), "float32"))
    chosen = ops.sum(ops.one_hot(targets, size) * logits, axis=1)
    return ops.sum(weights * (ops.logsumexp(logits, axis=1) - chosen))
