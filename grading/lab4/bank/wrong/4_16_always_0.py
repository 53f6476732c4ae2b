"""Whatever it is given, the loss is 0."""


def masked_cross_entropy(targets, logits, smoothing=0.0):
    return ops.zeros((), "float32")
