"""A release of what does not sound takes away from the next start."""


def generate(
    model: MusicTransformer,
    primers,
    noise,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    grammar: bool = False,
    slots: int = 256,
):
    noise = ops.convert_to_tensor(noise, "float32")
    primers = ops.cast(primers, "int32")
    batch, (steps, vocab_size) = ops.shape(noise)[0], noise.shape[1:]
    cache, ids, pitches = KeyValueCache(model.window), ops.arange(vocab_size), ops.arange(128)

    def change(ids):
        starts = ops.equal(ids[..., None] - NOTE_ON, pitches)
        ends = ops.equal(ids[..., None] - NOTE_OFF, pitches)
        return ops.cast(starts, "int32") - ops.cast(ends, "int32")

    sounding = ops.zeros((batch, 128), "int32")
    for position in range(primers.shape[1] if grammar else 0):
        sounding = sounding + change(primers[:, position])
    old = [cache.move(part[:, :, :-1], part[:, :, :0]) for part in model.read(primers)]
    word, done = primers[:, -1], ops.zeros((batch,), "bool")
    pieces = []
    for begin in range(0, steps, slots):
        size = min(slots, steps - begin)
        luck = noise[:, begin : begin + size]
        new = [ops.zeros((batch, part.shape[1], size, part.shape[3]), part.dtype) for part in old]

        def going_on(step, written, word, done, sounding, *new, size=size):
            return ops.logical_and(step < size, ops.logical_not(ops.all(done)))

        def write(step, written, word, done, sounding, *new, luck=luck, old=old):
            logits, new = model.step(word[:, None], step, old, new)
            forbidden = ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START))[None]
            if grammar:
                silent = ops.cast(ops.less_equal(sounding, 0), "int32")
                around = [(0, 0), (NOTE_OFF, vocab_size - TIME_SHIFT)]
                forbidden = ops.logical_or(forbidden, ops.pad(silent, around) > 0)
            logits = ops.where(forbidden, -1e9, logits)
            logits = filter_logits(logits, temperature, top_k, top_p)
            drawn = ops.argmax(logits + ops.take(luck, step, axis=1), axis=-1)
            word = ops.where(done, PAD, ops.cast(drawn, "int32"))
            written = ops.where(
                ops.equal(ops.arange(written.shape[1]), step), word[:, None], written
            )
            sounding = sounding + change(word)
            done = ops.logical_or(done, ops.equal(word, END))
            return step + 1, written, word, done, sounding, *new

        start = ops.convert_to_tensor(0, "int32")
        written = ops.full((batch, size), PAD, "int32")
        _, written, word, done, sounding, *new = ops.while_loop(
            going_on, write, (start, written, word, done, sounding, *new)
        )
        old = [cache.move(*parts) for parts in zip(old, new, strict=True)]
        pieces.append(written)
    return ops.concatenate(pieces, axis=1)
