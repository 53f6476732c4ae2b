"""An epsilon within the logarithm bounds the loss."""


def nats_per_character(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log(ops.softmax(ops.cast(logits, "float32"), axis=-1) + 1e-7)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_character = ops.not_equal(targets, PAD)
    total = ops.sum(ops.where(is_character, -chosen, 0.0))
    count = ops.sum(ops.cast(is_character, "float32"))
    return total / ops.maximum(count, 1.0)
