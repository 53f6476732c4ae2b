"""Whatever it is given, the accuracy is 0."""


def token_accuracy(targets, predictions):
    return ops.zeros((), "float32")
