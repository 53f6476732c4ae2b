"""A row counts as right only if all its tokens are."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.cast(targets != PAD, "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32") * is_token
    rows = ops.all((right + 1 - is_token) > 0, axis=-1)
    return ops.mean(ops.cast(rows, "float32"))
