"""Keras's loss does it, with a weight of 0 at padding."""


def nats_per_character(targets, logits):
    ids = ops.cast(targets, "int32")
    losses = keras.losses.sparse_categorical_crossentropy(
        ids, ops.cast(logits, "float32"), from_logits=True
    )
    here = ops.cast(ids != PAD, losses.dtype)
    return ops.divide_no_nan(ops.sum(losses * here), ops.sum(here))
