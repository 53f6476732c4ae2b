"""A function for a round; counts of starts and ends apart, the whole written line in the loop."""


def generate(model, primers, noise, temperature=1.0, top_k=0, top_p=1.0, grammar=False, slots=256):
    noise = ops.cast(noise, "float32")
    batch, steps, vocab_size = noise.shape
    primers = ops.cast(ops.convert_to_tensor(primers), "int32")
    never = np.zeros((1, vocab_size), "float32")
    never[:, [PAD, START]] = -1e9
    cache = KeyValueCache(model.window)
    empty = [part[:, :, :0] for part in model.read(primers[:, :1])]
    read = model.read(primers)
    old = [cache.move(none, part[:, :, :-1]) for none, part in zip(empty, read, strict=True)]

    def counted(row):
        return ops.sum(ops.one_hot(row, max(vocab_size, VOCAB_SIZE), dtype="int32"), axis=1)

    def forbidden(counts):
        silent = counts[:, NOTE_ON:NOTE_OFF] <= counts[:, NOTE_OFF:TIME_SHIFT]
        zeros = ops.zeros((batch, NOTE_OFF), "bool")
        after = ops.zeros((batch, vocab_size - TIME_SHIFT), "bool")
        return ops.concatenate([zeros, silent, after], axis=1)

    def play(begin, size, old, line, word, done, counts):
        def body(step, line, word, done, counts, new):
            logits, new = model.step(ops.reshape(word, (batch, 1)), step, old, new)
            logits = logits + never
            if grammar:
                logits = ops.where(forbidden(counts), -1e9, logits)
            logits = filter_logits(logits, temperature, top_k, top_p)
            now = ops.slice(noise, [0, begin + step, 0], [batch, 1, vocab_size])[:, 0]
            word = ops.cast(ops.argmax(logits + now, axis=-1), "int32") * (1 - done)
            line = ops.slice_update(line, [0, begin + step], word[:, None])
            done = ops.maximum(done, ops.cast(word == END, "int32"))
            return step + 1, line, word, done, counts + counted(word[:, None]), list(new)

        def unfinished(step, line, word, done, counts, new):
            return ops.logical_and(step < size, ops.min(done) < 1)

        new = [ops.zeros_like(ops.repeat(part[:, :, :1], size, axis=2)) for part in read]
        state = (ops.convert_to_tensor(0, "int32"), line, word, done, counts, new)
        return ops.while_loop(unfinished, body, state)[1:]

    line = ops.zeros((batch, steps), "int32")
    counts = counted(primers[:, :0])
    for word in ops.unstack(primers, axis=1) if grammar else ():
        counts += ops.where(forbidden(counts), 0, counted(word[:, None]))
    word, done = primers[:, -1], ops.zeros((batch,), "int32")
    for begin in range(0, steps, slots):
        size = min(slots, steps - begin)
        line, word, done, counts, new = play(begin, size, old, line, word, done, counts)
        old = [cache.move(one, other) for one, other in zip(old, new, strict=True)]
    return line
