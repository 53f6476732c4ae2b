"""A right guess of PAD counts, and so does a wrong one."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.ones_like(targets, dtype="float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(guesses == targets, "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
