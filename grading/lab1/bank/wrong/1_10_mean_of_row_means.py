"""Each name counts the same, however long it is."""


def nats_per_character(targets, logits):
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_character = ops.not_equal(targets, PAD)
    total = ops.sum(ops.where(is_character, -chosen, 0.0), axis=1)
    count = ops.sum(ops.cast(is_character, "float32"), axis=1)
    return ops.mean(total / ops.maximum(count, 1.0))
