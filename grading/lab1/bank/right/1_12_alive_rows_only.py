"""Only names that have not ended are stepped and drawn for."""


def generate_names(
    stepper, vocabulary, countries, wanted, starts=None, max_length=20, temperature=1.0, seed=None
):
    vocabulary, countries, wanted = list(vocabulary), list(countries), list(wanted)
    starts = [""] * len(wanted) if starts is None else starts
    unknown = set(wanted) - set(countries)
    if unknown:
        name = unknown.pop()
        raise ValueError(f"no {name}: {get_close_matches(name, countries) or countries}")
    if strange := set("".join(starts)) - set(vocabulary):
        raise ValueError(f"strange letters: {strange}")
    if len(starts) != len(wanted) or any(len(start) > max_length for start in starts):
        raise ValueError("starts that cannot be")
    rng = np.random.default_rng(seed)
    names = ["" for _ in wanted]
    alive = np.arange(len(wanted))
    ids = np.ones(len(wanted), "int32")
    where = np.array([countries.index(country) for country in wanted], "int32")
    states = [np.zeros((len(wanted), *s.shape[1:]), s.dtype) for s in stepper.inputs[2:]]
    for step in range(max_length):
        if not len(alive):
            break
        outputs = stepper.predict_on_batch([ids.reshape(-1, 1), where[alive], *states])
        logits, states = np.copy(outputs[0]), outputs[1:]
        if not step:
            logits[:, END] = np.finfo(logits.dtype).min
        ids = sample_next(logits, temperature, rng)
        for place, row in enumerate(alive):
            if starts[row][step : step + 1]:
                ids[place] = vocabulary.index(starts[row][step])
            names[row] += vocabulary[ids[place]] if ids[place] != END else ""
        going = ids != END
        alive, ids, states = alive[going], ids[going], [state[going] for state in states]
    return names
