"""One number too few is dropped."""


def skew(scores):
    batch, heads = ops.shape(scores)[:2]
    target_length, source_length = scores.shape[2:]
    padded = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [1, 0]])
    flat = ops.reshape(padded, (batch, heads, target_length * (source_length + 1)))
    return ops.reshape(
        ops.pad(flat[:, :, target_length + 1 :], [[0, 0], [0, 0], [0, 1]]),
        (batch, heads, target_length, source_length),
    )
