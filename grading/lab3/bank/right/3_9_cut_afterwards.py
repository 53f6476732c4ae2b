"""All rows go on to max_length, the stepper is called as a layer, END is found afterwards."""


def generate(stepper, primers, max_length, temperature=1.0, top_k=None, top_p=None, seed=None):
    ids = np.asarray(primers).astype("int32")
    length = ids.shape[1]
    if length == 0 or length > max_length:
        raise ValueError("a bad length")
    rng = np.random.default_rng(seed)
    states = [ops.zeros((len(ids), one.shape[1])) for one in stepper.inputs[1:]]
    for position in range(max_length):
        out = stepper([ops.convert_to_tensor(ids[:, position : position + 1]), *states])
        states = out[1:]
        if position + 1 >= length and position + 1 < max_length:
            new = sample_next(ops.convert_to_numpy(out[0]), temperature, top_k, top_p, rng)
            ids = np.column_stack([ids, new])
    ends = [
        row[length:].index(END) + length + 1 if END in row[length:] else None
        for row in ids.tolist()
    ]
    return [[int(id) for id in row[:end]] for row, end in zip(ids, ends, strict=True)]
