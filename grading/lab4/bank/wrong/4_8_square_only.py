"""As many queries as keys are taken for granted."""


def skew(scores):
    batch, heads = ops.shape(scores)[:2]
    target_length, source_length = scores.shape[2:]
    extra = source_length - target_length
    scores = ops.pad(scores[..., extra:], [[0, 0], [0, 0], [0, 0], [0, extra]])
    padded = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [1, 0]])
    flat = ops.reshape(padded, (batch, heads, target_length * (source_length + 1)))
    return ops.reshape(flat[:, :, target_length:], (batch, heads, target_length, source_length))
