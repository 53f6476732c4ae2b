"""Ids are collected in an array, cut at END and spelled afterwards; Keras's tensors stay."""


def generate_names(
    stepper, vocabulary, countries, wanted, starts=None, max_length=20, temperature=1.0, seed=None
):
    starts = starts if starts is not None else [""] * len(wanted)
    if len(starts) != len(wanted):
        raise ValueError("another number of starts")
    for country in wanted:
        if country not in countries:
            near = get_close_matches(country, countries, 1)
            raise ValueError(f"{country} is unknown; nearest: {near}")
    given = np.full((len(wanted), max_length), -1)
    for row, start in enumerate(starts):
        if len(start) > max_length:
            raise ValueError("too long a start")
        for column, character in enumerate(start):
            if character not in vocabulary:
                raise ValueError(f"what is {character}?")
            given[row, column] = vocabulary.index(character)
    if len(wanted) == 0:
        return []
    generator = np.random.default_rng(seed)
    where = ops.convert_to_tensor([countries.index(country) for country in wanted], "int32")
    states = [ops.zeros((len(wanted), *one.shape[1:]), one.dtype) for one in stepper.inputs[2:]]
    written = np.full((len(wanted), 1), START, "int32")
    while written.shape[1] <= max_length:
        logits, *states = stepper([ops.convert_to_tensor(written[:, -1:]), where, *states])
        logits = np.array(ops.convert_to_numpy(logits))
        if written.shape[1] == 1:
            logits[:, END] = -np.inf
        drawn = sample_next(logits, temperature, generator)
        fixed = given[:, written.shape[1] - 1]
        column = np.where(fixed < 0, drawn, fixed).astype("int32")
        written = np.concatenate([written, column[:, None]], axis=1)
    rows = [[*row[1:], END] for row in written.tolist()]
    return ["".join(vocabulary[id] for id in row[: row.index(END)]) for row in rows]
