"""The sums of all positions at once, by cumsum."""


def linear_attention(queries, keys, values):
    queries, keys = (
        ops.where(part > 0, part + 1, ops.exp(ops.minimum(part, 0)))
        for part in (ops.cast(queries, "float32"), ops.cast(keys, "float32"))
    )
    pairs = keys[..., None] * ops.cast(values, "float32")[..., None, :]
    sums, normaliser = ops.cumsum(pairs, axis=2), ops.cumsum(keys, axis=2)
    above = ops.einsum("bhtk,bhtkv->bhtv", queries, sums)
    below = ops.einsum("bhtk,bhtk->bht", queries, normaliser)
    return ops.cast(above / (below[..., None] + 1e-6), values.dtype)
