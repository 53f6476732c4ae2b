"""Padding is a token like any other."""


def masked_cross_entropy(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_token = ops.ones_like(targets, dtype="bool")
    total = ops.sum(ops.where(is_token, -chosen, 0.0))
    return total / ops.maximum(ops.sum(ops.cast(is_token, "float32")), 1.0)
