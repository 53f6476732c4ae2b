"""END is never drawn either."""


def sample_next(logits, temperature=1.0, seed=None):
    if not temperature >= 0:
        raise ValueError(f"temperature {temperature}: must be 0 or more")
    logits = np.array(logits, np.float64)
    logits[:, [PAD, START, END]] = -np.inf
    if temperature == 0:
        return logits.argmax(axis=-1).astype(np.int32)
    with np.errstate(over="ignore"):
        weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    cumulative = np.cumsum(weights, axis=-1)
    draw = np.random.default_rng(seed).random((len(logits), 1)) * cumulative[:, -1:]
    return (cumulative <= draw).sum(axis=-1).astype(np.int32)
