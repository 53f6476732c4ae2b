"""Each row is averaged first."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.cast(targets != PAD, "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32") * is_token
    return ops.mean(ops.sum(right, axis=-1) / ops.maximum(ops.sum(is_token, axis=-1), 1.0))
