"""Whatever it is given, the loss is 0."""


def nats_per_character(targets, logits):
    return ops.zeros((), "float32")
