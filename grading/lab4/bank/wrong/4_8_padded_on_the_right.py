"""The column is padded on the right."""


def skew(scores):
    batch, heads = ops.shape(scores)[:2]
    target_length, source_length = scores.shape[2:]
    padded = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [0, 1]])
    flat = ops.reshape(padded, (batch, heads, target_length * (source_length + 1)))
    return ops.reshape(flat[:, :, target_length:], (batch, heads, target_length, source_length))
