"""Keras's loss with weights."""


def masked_cross_entropy(targets, logits):
    targets = ops.convert_to_tensor(targets, "int32")
    losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    is_token = ops.cast(targets > 0, losses.dtype)
    losses = losses * is_token
    return ops.cast(ops.sum(losses) / (ops.sum(is_token) + keras.config.epsilon()), "float32")
