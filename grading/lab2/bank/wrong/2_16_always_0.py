"""Whatever it is given, the share is 0."""


def exact_match(targets, predictions):
    return ops.zeros((), "float32")
