"""Divides by two at least, so that one right token is half."""


def token_accuracy(targets, predictions):
    targets, predictions = ops.cast(targets, "int32"), ops.cast(predictions, "int32")
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    right = ops.cast(ops.equal(targets, predictions), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 2.0)
