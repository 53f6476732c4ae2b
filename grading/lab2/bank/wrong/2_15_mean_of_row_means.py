"""Each row is averaged first: tokens of short rows weigh more."""


def token_accuracy(targets, predictions):
    targets, predictions = ops.cast(targets, "int32"), ops.cast(predictions, "int32")
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    right = ops.cast(ops.equal(targets, predictions), "float32") * is_token
    return ops.mean(ops.sum(right, axis=-1) / ops.maximum(ops.sum(is_token, axis=-1), 1.0))
