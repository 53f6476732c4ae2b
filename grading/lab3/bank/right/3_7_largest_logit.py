"""No argmax: a guess is right if no logit exceeds the target's."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    own = ops.take_along_axis(logits, ops.expand_dims(targets, -1), axis=-1)
    right = ops.logical_and(ops.all(logits <= own, axis=-1), targets != PAD)
    tokens = ops.count_nonzero(targets)
    return ops.cast(ops.count_nonzero(right), "float32") / ops.cast(
        ops.maximum(tokens, 1), "float32"
    )
