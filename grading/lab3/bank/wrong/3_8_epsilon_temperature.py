def sample_next(logits, temperature=1.0, top_k=None, top_p=None, seed=None):
    if not temperature >= 0:
        raise ValueError("temperature must be 0 or more")
    if top_k is not None and top_k < 1:
        raise ValueError("top_k must be 1 or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError("top_p must be above 0 and at most 1")
    rng = np.random.default_rng(seed)
    logits = np.asarray(logits, np.float64)
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / (temperature + 0.1)
    order = np.argsort(-logits, axis=-1, kind="stable")
    probabilities = np.take_along_axis(np.exp(scaled), order, axis=-1)
    if top_k is not None:
        probabilities[:, top_k:] = 0
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    if top_p is not None:
        before = np.cumsum(probabilities, axis=-1) - probabilities
        probabilities[before >= top_p] = 0
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
    draws = rng.random(len(logits))
    ids = []
    for row, draw in enumerate(draws):
        rank = np.searchsorted(np.cumsum(probabilities[row]), draw, side="right")
        ids.append(order[row, min(rank, np.count_nonzero(probabilities[row]) - 1)])
    return np.array(ids, np.int32)
