def sample_next(logits, temperature=1.0, top_k=None, top_p=None, seed=None):
    if not temperature >= 0 or not 0 < (top_p or 1) <= 1 or (top_k is not None and top_k < 1):
        raise ValueError("a bad argument")
    if top_p == 0:
        raise ValueError("top_p must be above 0")
    rng = np.random.default_rng(seed)
    ids = []
    for row in np.array(logits, np.float64):
        order = np.argsort(-row, kind="stable")
        weights = np.exp((row - row.max()) / temperature)
        if top_k is not None:
            weights[order[top_k:]] = 0
        weights /= weights.sum()
        if top_p is not None:
            sums = np.cumsum(weights[order])
            weights[order[np.searchsorted(sums, top_p) + 1 :]] = 0
            weights /= weights.sum()
        ids.append(rng.choice(len(row), p=weights))
    return np.array(ids, np.int32)
