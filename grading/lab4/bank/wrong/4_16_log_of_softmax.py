"""The logarithm of a softmax, which overflows."""


def masked_cross_entropy(targets, logits, smoothing: float = 0.0):
    log_probabilities = ops.log(ops.softmax(ops.cast(logits, "float32"), axis=-1))
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    losses = -(1 - smoothing) * chosen
    if smoothing:
        losses = losses - smoothing * ops.mean(log_probabilities, axis=-1)
    is_token = ops.not_equal(targets, PAD)
    count = ops.maximum(ops.sum(ops.cast(is_token, "float32")), 1.0)
    return ops.sum(ops.where(is_token, losses, 0.0)) / count
