"""Each id is fed from states of zeros."""


def generate(stepper, primers, max_length, temperature=1.0, top_k=None, top_p=None, seed=None):
    primers = np.asarray(primers, np.int32)
    batch, primer_length = primers.shape
    if primer_length < 1 or max_length < primer_length:
        raise ValueError("primers need an id, and max_length room for them")
    rng = np.random.default_rng(seed)
    states = [np.zeros((batch, state.shape[-1]), np.float32) for state in stepper.inputs[1:]]
    for position in range(primer_length):
        logits, *_ = stepper.predict_on_batch([primers[:, position : position + 1], *states])
    results = [list(map(int, primer)) for primer in primers]
    ended = [False] * batch
    for length in range(primer_length, max_length):
        ids = sample_next(logits, temperature, top_k, top_p, rng)
        for row in range(batch):
            if not ended[row]:
                results[row].append(int(ids[row]))
                ended[row] = ids[row] == END
        if all(ended) or length == max_length - 1:
            break
        logits, *_ = stepper.predict_on_batch([ids[:, None], *states])
    return results
