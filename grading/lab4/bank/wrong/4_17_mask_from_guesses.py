"""The mask is taken from what is guessed."""


def masked_accuracy(targets, logits):
    guessed = ops.cast(ops.argmax(logits, axis=-1), targets.dtype)
    is_token = ops.cast(ops.not_equal(guessed, PAD), "float32")
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
