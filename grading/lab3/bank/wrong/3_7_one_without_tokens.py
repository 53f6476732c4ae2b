"""1 if all is padding."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.cast(targets != PAD, "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32") * is_token
    return (ops.sum(right) + 1e-7) / (ops.sum(is_token) + 1e-7)
