"""The mean of the rows' means."""


def masked_accuracy(targets, logits):
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guessed = ops.cast(ops.argmax(logits, axis=-1), targets.dtype)
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    rows = ops.sum(right, axis=-1) / ops.maximum(ops.sum(is_token, axis=-1), 1.0)
    return ops.mean(rows)
