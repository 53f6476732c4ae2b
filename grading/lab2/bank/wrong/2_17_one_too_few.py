"""The last step is not taken."""


def greedy_decode(encoder, stepper, digits, max_length):
    digits = ops.cast(digits, "int32")
    columns = ops.arange(max_length)[None]
    word = ops.full_like(digits[:, :1], START)
    done = ops.zeros_like(word, dtype="bool")
    written = ops.tile(ops.full_like(word, PAD), (1, max_length))

    def going_on(step, word, done, written, *states):
        return ops.logical_and(step < max_length - 1, ops.logical_not(ops.all(done)))

    def write(step, word, done, written, *states):
        logits, *states = stepper([word, *states])
        likeliest = ops.cast(ops.argmax(logits, axis=-1), "int32")[:, None]
        word = ops.where(done, PAD, likeliest)
        written = ops.where(ops.equal(columns, step), word, written)
        return step + 1, word, ops.logical_or(done, ops.equal(word, END)), written, *states

    step = ops.convert_to_tensor(0, "int32")
    variables = step, word, done, written, *encoder(digits)
    return ops.while_loop(going_on, write, variables)[3]
