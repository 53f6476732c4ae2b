"""NumPy's way: a weighted mean by `where`."""


def token_accuracy(targets, predictions):
    targets = ops.cast(targets, "int64")
    hits = ops.where(targets == PAD, 0, ops.where(targets == ops.cast(predictions, "int64"), 1, 0))
    total = ops.count_nonzero(targets)
    return ops.cast(ops.sum(hits), "float32") / ops.cast(ops.maximum(total, 1), "float32")
