"""Where's sum of a boolean product, over flattened positions."""


def masked_accuracy(targets, logits):
    targets = ops.reshape(ops.cast(targets, "int64"), (-1,))
    guesses = ops.reshape(ops.argmax(logits, axis=-1), (-1,))
    there = targets > 0
    hits = ops.logical_and(there, ops.cast(guesses, "int64") == targets)
    number = ops.cast(ops.count_nonzero(there), "float32")
    return ops.cast(ops.count_nonzero(hits), "float32") / ops.where(number > 0, number, 1.0)
