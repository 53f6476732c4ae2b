"""A loop over chunks, which carries the sums."""


def causal_linear_attention(queries, keys, values, chunk=64):
    length, found = queries.shape[2], []
    chunk = max(chunk, length // 64)
    q, k = (ops.elu(ops.cast(part, "float32")) + 1.0 for part in (queries, keys))
    v = ops.cast(values, "float32")
    sums = ops.zeros_like(ops.matmul(ops.transpose(k[:, :, :1], (0, 1, 3, 2)), v[:, :, :1]))
    normaliser = ops.zeros_like(k[:, :, 0])
    for begin in range(0, length, chunk):
        own = slice(begin, min(begin + chunk, length))
        qs, ks, vs = q[:, :, own], k[:, :, own], v[:, :, own]
        inside = ops.tril(ops.einsum("bhtk,bhsk->bhts", qs, ks))
        above = ops.einsum("bhtk,bhkv->bhtv", qs, sums) + ops.einsum("bhts,bhsv->bhtv", inside, vs)
        below = ops.einsum("bhtk,bhk->bht", qs, normaliser) + ops.sum(inside, axis=-1)
        found.append(above / (below[..., None] + 1e-6))
        sums = sums + ops.einsum("bhsk,bhsv->bhkv", ks, vs)
        normaliser = normaliser + ops.sum(ks, axis=2)
    return ops.cast(ops.concatenate(found, axis=2), values.dtype), sums, normaliser
