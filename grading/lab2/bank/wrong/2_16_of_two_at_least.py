"""Divides by two at least, so that one right row is half."""


def exact_match(targets, predictions):
    targets, predictions = ops.cast(targets, "int32"), ops.cast(predictions, "int32")
    is_token = ops.not_equal(targets, PAD)
    wrong = ops.any(ops.logical_and(is_token, ops.not_equal(targets, predictions)), axis=-1)
    is_row = ops.any(is_token, axis=-1)
    right = ops.cast(ops.logical_and(is_row, ops.logical_not(wrong)), "float32")
    return ops.sum(right) / ops.maximum(ops.sum(ops.cast(is_row, "float32")), 2.0)
