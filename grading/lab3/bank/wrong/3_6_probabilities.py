"""The logits are taken for probabilities."""


def masked_cross_entropy(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log(ops.clip(logits, 1e-7, 1.0))
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_token = ops.cast(targets != PAD, "float32")
    count = ops.maximum(ops.sum(is_token), 1.0)
    return -ops.sum(chosen * is_token) / count
