"""PAD is never taken for the guess."""


def masked_accuracy(targets, logits):
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guessed = ops.cast(ops.argmax(logits[..., 1:], axis=-1) + 1, targets.dtype)
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
