"""Each row walks through the stepper alone: as many times the calls as there are rows."""


def generate(stepper, primers, max_length, temperature=1.0, top_k=None, top_p=None, seed=None):
    primers = np.asarray(primers, np.int32)
    if not 1 <= primers.shape[1] <= max_length:
        raise ValueError("a bad length")
    rng = np.random.default_rng(seed)
    results = []
    for primer in primers.tolist():
        states = [np.zeros((1, state.shape[-1]), np.float32) for state in stepper.inputs[1:]]
        for id in primer:
            logits, *states = stepper.predict_on_batch([np.array([[id]]), *states])
        row = list(primer)
        while len(row) < max_length:
            row.append(int(sample_next(logits, temperature, top_k, top_p, rng)[0]))
            if row[-1] == END:
                break
            logits, *states = stepper.predict_on_batch([np.array([[row[-1]]]), *states])
        results.append(row)
    return results
