"""Keras's own loss with PAD as the ignored class, per token, and the count of tokens by hand."""


def masked_cross_entropy(targets, logits):
    targets = ops.cast(targets, "int64")
    each = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=PAD, reduction=None
    )(targets, logits)
    return ops.sum(each) / ops.maximum(ops.cast(ops.count_nonzero(targets), each.dtype), 1)
