"""Columns are rows of a transposed result, top_k finds the likeliest."""


def greedy_decode(encoder, stepper, digits, max_length):
    digits = ops.cast(digits, "int32")
    first = digits[:, 0] * 0
    columns = ops.zeros((max_length, 1), dtype="int32") + first[None]

    def body(step, fed, alive, columns, states):
        logits, *states = stepper([ops.expand_dims(fed, -1), *states])
        best = ops.cast(ops.top_k(logits, 1)[1][:, 0], "int32") * alive
        columns = ops.slice_update(columns, (step, 0), best[None])
        return step + 1, best, alive * ops.cast(best != END, "int32"), columns, states

    def cond(step, fed, alive, columns, states):
        return ops.max(alive) > 0

    loop = 0, first + START, first + 1, columns, list(encoder(digits))
    found = ops.while_loop(cond, body, loop, maximum_iterations=max_length)
    return ops.transpose(found[3])
