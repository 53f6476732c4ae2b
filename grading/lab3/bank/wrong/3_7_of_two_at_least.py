"""Divides by two at least, so that one right token is half."""


def masked_accuracy(targets, logits):
    targets = ops.cast(targets, "int32")
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guesses = ops.cast(ops.argmax(logits, axis=-1), "int32")
    right = ops.cast(ops.equal(guesses, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 2.0)
