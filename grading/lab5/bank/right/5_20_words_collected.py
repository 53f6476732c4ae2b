"""The loop writes with slice_update, and a done row is multiplied by 0."""


def generate(model, primers, noise, temperatures, top_ps, slots=64):
    noise = ops.cast(noise, "float32")
    primers = ops.convert_to_tensor(primers, "int32")
    compound = len(primers.shape) == 3
    steps, found = noise.shape[1], []
    cache, state = model.start(primers, slots)
    word = primers[:, -1]
    alive = ops.ones_like(word[:, 0] if compound else word)
    first = 0
    while first < steps:
        count = min(slots, steps - first)
        written = ops.zeros_like(ops.repeat(word[:, None], count, axis=1))

        def condition(t, alive, word, written, *state, count=count):
            return ops.logical_and(ops.any(alive > 0), t < count)

        def body(t, alive, word, written, *state, cache=cache, first=first):
            hidden, state = model.step(word, cache, state)
            word = model.draw(hidden, noise[:, first + t], temperatures, top_ps)
            kind = word[:, 3] if compound else word
            alive = alive * ops.cast(kind > 0, "int32")
            word = word * (alive[:, None] if compound else alive)
            where = [0, t, 0] if compound else [0, t]
            written = ops.slice_update(written, where, word[:, None])
            return t + 1, alive, word, written, *state

        start = ops.convert_to_tensor(0, "int32")
        answer = ops.while_loop(condition, body, (start, alive, word, written, *state))
        _, alive, word, written, *state = answer
        cache, state = model.move(cache, state)
        found.append(written)
        first += count
    return ops.concatenate(found, axis=1)
