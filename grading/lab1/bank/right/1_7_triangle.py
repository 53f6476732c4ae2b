"""A lower triangle or positions compared, −inf in 32 bits, matrix products."""


def causal_attention(query, key, value, positions=None):
    q, k, v = (ops.cast(x, "float32") for x in (query, key, value))
    scores = ops.matmul(q * q.shape[-1] ** -0.5, ops.transpose(k, (0, 1, 3, 2)))
    if positions is None:
        hidden = ops.tril(ops.ones_like(scores)) == 0
    else:
        places = ops.cumsum(ops.ones_like(scores, dtype="int32"), axis=-1) - 1
        hidden = places > ops.cast(positions, "int32")[:, None, :, None]
    scores = ops.where(hidden, -float("inf"), scores)
    return ops.cast(ops.matmul(ops.softmax(scores), v), query.dtype)
