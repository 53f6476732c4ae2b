"""Each row is drawn by the generator's choice."""


def sample_next(logits, temperature=1.0, seed=None):
    if not temperature >= 0:
        raise ValueError("a bad temperature")
    rng = np.random.default_rng(seed)
    ids = []
    for row in np.asarray(logits, "float64"):
        row = row[2:] - row[2:].max()
        if temperature < 1e-30:
            ids.append(2 + int(np.argmax(row)))
            continue
        weights = np.exp(np.maximum(row / temperature, -1e4))
        ids.append(2 + rng.choice(len(row), p=weights / weights.sum()))
    return np.array(ids, dtype=np.int32)
