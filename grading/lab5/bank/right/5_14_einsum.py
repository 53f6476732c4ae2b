"""Three einsums."""


def linear_attention_step(query, key, value, sums, normaliser):
    query, key, wide = (ops.cast(part, "float32") for part in (query, key, value))
    query, key = 1.0 + ops.elu(query), 1.0 + ops.elu(key)
    sums = ops.add(sums, ops.einsum("bhk,bhv->bhkv", key, wide))
    normaliser = ops.add(normaliser, key)
    above = ops.einsum("bhk,bhkv->bhv", query, sums)
    below = ops.einsum("bhk,bhk->bh", query, normaliser)
    return ops.cast(above / (below + 1e-6)[..., None], value.dtype), sums, normaliser
