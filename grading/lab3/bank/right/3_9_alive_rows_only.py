"""Only rows that have not ended are stepped and drawn for."""


def generate(stepper, primers, max_length, temperature=1.0, top_k=None, top_p=None, seed=None):
    primers = np.array(primers)
    if primers.shape[1] == 0 or max_length < primers.shape[1]:
        raise ValueError("a bad length")
    generator = np.random.default_rng(seed)
    states = [np.zeros((len(primers), s.shape[-1]), "float32") for s in stepper.inputs[1:]]
    rows = [list(primer) for primer in primers]
    alive = np.arange(len(rows))
    column, left = 0, max_length - primers.shape[1]
    while left and len(alive):
        ids = np.array([rows[row][column] for row in alive])
        logits, *states = stepper.predict_on_batch([ids.reshape(-1, 1), *states])
        column += 1
        if column < primers.shape[1]:
            continue
        drawn = sample_next(logits, temperature, top_k, top_p, generator)
        for row, id in zip(alive, drawn, strict=True):
            rows[row].append(id)
        going = drawn != END
        alive, states = alive[going], [state[going] for state in states]
        left -= 1
    return rows
