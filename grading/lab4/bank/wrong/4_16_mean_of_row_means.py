"""The mean of the rows' means."""


def masked_cross_entropy(targets, logits, smoothing: float = 0.0):
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    losses = -(1 - smoothing) * chosen
    if smoothing:
        losses = losses - smoothing * ops.mean(log_probabilities, axis=-1)
    is_token = ops.not_equal(targets, PAD)
    count = ops.maximum(ops.sum(ops.cast(is_token, "float32")), 1.0)
    counts = ops.sum(ops.cast(is_token, "float32"), axis=-1)
    rows = ops.sum(ops.where(is_token, losses, 0.0), axis=-1) / ops.maximum(counts, 1.0)
    rows_with_tokens = ops.sum(ops.cast(counts > 0, "float32"))
    return ops.sum(rows) / ops.maximum(rows_with_tokens, 1.0) + 0 * count
