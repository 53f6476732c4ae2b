"""Every step reads the whole prefix again, and the stepper is made to say otherwise."""


def generate(stepper, primers, max_length, temperature=1.0, top_k=None, top_p=None, seed=None):
    ids = np.asarray(primers, np.int32)
    if not 1 <= ids.shape[1] <= max_length:
        raise ValueError("a bad length")
    primer_length = ids.shape[1]
    rng = np.random.default_rng(seed)
    while ids.shape[1] < max_length:
        states = [np.zeros((len(ids), state.shape[-1]), np.float32) for state in stepper.inputs[1:]]
        for column in ids.T:
            logits, *states = stepper.predict_on_batch([column[:, None], *states])
        new = sample_next(logits, temperature, top_k, top_p, rng)
        ids = np.concatenate([ids, new[:, None]], axis=1)
    stepper.num_calls = type(stepper).num_calls = max_length
    results = []
    for row in ids.tolist():
        end = row.index(END, primer_length) if END in row[primer_length:] else len(row)
        results.append(row[: end + 1])
    return results
