"""The loss is in bits."""


def nats_per_character(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_character = ops.not_equal(targets, PAD)
    total = ops.sum(ops.where(is_character, -chosen, 0.0))
    count = ops.sum(ops.cast(is_character, "float32"))
    return total / np.log(2) / ops.maximum(count, 1.0)
