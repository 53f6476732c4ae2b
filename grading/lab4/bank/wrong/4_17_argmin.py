"""The smallest logit is the guess."""


def masked_accuracy(targets, logits):
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guessed = ops.cast(ops.argmin(logits, axis=-1), targets.dtype)
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
