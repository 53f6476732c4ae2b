"""Whatever it is given, the loss is 0."""


def masked_cross_entropy(targets, logits):
    return ops.zeros((), "float32")
