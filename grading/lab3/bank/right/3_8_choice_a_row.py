"""Generator.choice, row by row, over a dictionary of what is left."""


def sample_next(logits, temperature=1.0, top_k=None, top_p=None, seed=None):
    if temperature < 0 or temperature != temperature:
        raise ValueError("temperature")
    if top_k is not None and top_k <= 0:
        raise ValueError("top_k")
    if top_p is not None and (top_p <= 0 or top_p > 1):
        raise ValueError("top_p")
    generator = np.random.default_rng(seed)
    return np.array([one(r, temperature, top_k, top_p, generator) for r in logits], np.int32)


def one(row, temperature, top_k, top_p, generator):
    row = [float(x) for x in row]
    best = max(row)
    if temperature == 0:
        return row.index(best)
    ids = sorted(range(len(row)), key=lambda i: -row[i])[:top_k]
    weights = {}
    for i in ids:
        weights[i] = float(np.exp(max((row[i] - best) / temperature, -1e9)))
    total = sum(weights.values())
    kept, reached = {}, 0.0
    for i in ids:
        kept[i] = weights[i] / total
        reached += kept[i]
        if top_p is not None and reached >= top_p:
            break
    shares = np.array(list(kept.values()))
    return generator.choice(list(kept), p=shares / shares.sum())
