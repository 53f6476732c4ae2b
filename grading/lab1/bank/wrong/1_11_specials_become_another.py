"""What was drawn as PAD or START becomes END."""


def sample_next(logits, temperature=1.0, seed=None):
    if not temperature >= 0:
        raise ValueError(f"temperature {temperature}: must be 0 or more")
    logits = np.array(logits, np.float64)
    if temperature == 0:
        return logits.argmax(axis=-1).astype(np.int32)
    with np.errstate(over="ignore"):
        weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    cumulative = np.cumsum(weights, axis=-1)
    draw = np.random.default_rng(seed).random((len(logits), 1)) * cumulative[:, -1:]
    return np.maximum((cumulative <= draw).sum(axis=-1), END).astype(np.int32)
