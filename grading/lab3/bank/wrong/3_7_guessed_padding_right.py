"""PAD guessed at padding counts as right, but padding is not in the denominator."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.cast(targets != PAD, "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32")
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
