"""Gumbel noise and an argmax instead of a draw from cumulative sums; cuts by threshold on ranks."""


def sample_next(logits, temperature=1.0, top_k=None, top_p=None, seed=None):
    bad = not temperature >= 0 or (top_k is not None and top_k < 1)
    if bad or not (top_p is None or 0 < top_p <= 1):
        raise ValueError("a bad argument")
    z = np.array(logits, dtype=float)
    if temperature < 1e-300:
        return z.argmax(-1).astype("int32")
    with np.errstate(over="ignore"):
        z = (z - z.max(-1, keepdims=True)) / temperature
    rank = np.argsort(np.argsort(-np.asarray(logits, float), axis=-1, kind="stable"), axis=-1)
    if top_k is not None:
        z[rank >= top_k] = -np.inf
    if top_p is not None:
        p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
        for row in range(len(z)):
            likelier = np.sort(rank[row])
            sums = np.cumsum(p[row][np.argsort(rank[row])])
            keep = likelier[: np.searchsorted(sums, top_p * (1 - 1e-12)) + 1]
            z[row][~np.isin(rank[row], keep)] = -np.inf
    noise = np.random.default_rng(seed).gumbel(size=z.shape)
    return (z + noise).argmax(-1).astype(np.int32)
