"""The softmax is written out and overflows."""


def causal_attention(query, key, value, positions=None):
    head_dim = query.shape[-1]
    scores = ops.einsum("bhqd,bhkd->bhqk", query, key) / head_dim**0.5
    if positions is None:
        positions = ops.arange(ops.shape(query)[2])[None]
    places = ops.arange(ops.shape(key)[2], dtype=positions.dtype)
    seen = places <= positions[:, None, :, None]
    scores = ops.where(seen, ops.cast(scores, "float32"), -1e9)
    weights = ops.cast(
        ops.exp(scores) / ops.sum(ops.exp(scores), axis=-1, keepdims=True), value.dtype
    )
    return ops.einsum("bhqk,bhkd->bhqd", weights, value)
