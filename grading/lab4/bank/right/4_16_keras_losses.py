"""Keras's two losses, mixed."""


def masked_cross_entropy(targets, logits, smoothing=0.0):
    logits = ops.cast(logits, "float32")
    each = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    if smoothing:
        flat = ops.ones_like(logits) / logits.shape[-1]
        every = keras.losses.categorical_crossentropy(flat, logits, from_logits=True)
        each = (1 - smoothing) * each + smoothing * every
    mask = ops.cast(targets != PAD, "float32")
    return ops.sum(ops.where(mask > 0, each, 0.0)) / ops.maximum(ops.sum(mask), 1)
