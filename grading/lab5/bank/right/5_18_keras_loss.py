"""Keras's cross-entropy with weights."""


def compound_loss(targets, logits):
    total = 0.0
    for field in range(7):
        found = targets[..., field]
        is_row = ops.cast(found >= 0, "float32")
        each = keras.losses.sparse_categorical_crossentropy(
            ops.maximum(found, 0), ops.cast(logits[field], "float32"), from_logits=True
        )
        total = total + ops.sum(each * is_row) / ops.maximum(ops.sum(is_row), 1.0)
    return total / 7.0
