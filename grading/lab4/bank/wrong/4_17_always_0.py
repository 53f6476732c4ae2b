"""Whatever it is given, the accuracy is 0."""


def masked_accuracy(targets, logits):
    return ops.zeros((), "float32")
