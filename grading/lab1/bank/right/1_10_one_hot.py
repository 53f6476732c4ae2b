"""A one-hot product picks the targets, log-sum-exp normalises."""


def nats_per_character(targets, logits):
    right = ops.one_hot(ops.cast(targets, "int32"), logits.shape[-1])
    scores = ops.cast(logits, "float32")
    weights = ops.cast(ops.not_equal(targets, PAD), "float32")
    weights /= ops.maximum(ops.sum(weights), 1)
    lost = ops.logsumexp(scores, axis=-1) - ops.sum(right * scores, axis=-1)
    return ops.sum(ops.where(weights > 0, lost, 0.0) * weights)
