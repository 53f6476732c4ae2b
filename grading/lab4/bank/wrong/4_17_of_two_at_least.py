"""Divides by two at least, so that one right token is half."""


def masked_accuracy(targets, logits):
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guessed = ops.cast(ops.argmax(logits, axis=-1), targets.dtype)
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 2.0)
