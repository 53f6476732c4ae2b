"""The first name to end ends them all."""


def generate_names(
    stepper, vocabulary, countries, wanted, starts=None, max_length=20, temperature=1.0, seed=None
):
    starts = [""] * len(wanted) if starts is None else list(starts)
    if len(starts) != len(wanted):
        raise ValueError(f"{len(starts)} starts for {len(wanted)} names: give one for each")
    for country in wanted:
        if country not in countries:
            near = get_close_matches(country, countries, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(countries)}"
            raise ValueError(f"there is no country {country!r}: {hint}")
    numbers = {character: number for number, character in enumerate(vocabulary)}
    for start in starts:
        if unknown := [character for character in start if character not in numbers]:
            raise ValueError(f"{unknown[0]!r} is not in the vocabulary: no name has that letter")
        if len(start) > max_length:
            raise ValueError(f"{start!r} is longer than a name may be, {max_length}")
    if not wanted:
        return []
    rng = np.random.default_rng(seed)
    batch = len(wanted)
    country_ids = np.array([countries.index(country) for country in wanted], np.int32)
    states = [np.zeros((batch, *state.shape[1:]), state.dtype) for state in stepper.inputs[2:]]
    ids = np.full(batch, START, np.int32)
    names = [""] * batch
    ended = np.zeros(batch, bool)
    for position in range(max_length):
        logits, *states = stepper.predict_on_batch([ids[:, None], country_ids, *states])
        if position == 0:
            logits = np.array(logits)
            logits[:, END] = -np.inf
        ids = sample_next(logits, temperature, rng)
        for row, start in enumerate(starts):
            if position < len(start):
                ids[row] = numbers[start[position]]
        ended |= ids == END
        names = [
            name if done else name + vocabulary[int(number)]
            for name, done, number in zip(names, ended, ids, strict=True)
        ]
        if ended.any():
            break
    return names
