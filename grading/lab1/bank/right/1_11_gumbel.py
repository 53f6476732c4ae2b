"""The Gumbel-max trick."""


def sample_next(logits, temperature=1.0, seed=None):
    if temperature < 0 or temperature != temperature:
        raise ValueError("a bad temperature")
    scores = np.asarray(logits, np.float64)[:, END:]
    scores = scores - scores.max(axis=1, keepdims=True)
    noise = np.random.default_rng(seed).gumbel(size=scores.shape)
    return (END + np.argmax(scores + temperature * noise, axis=1)).astype("int32")
