"""Each row is a generator of segments, which takes pieces from one queue."""


def stream_batches(tokens, offsets, length, batch_size, seed=None):
    if min(length, batch_size) < 1:
        raise EtudeError("Segments and batches need at least one word and one row.")
    numbers = list(range(len(offsets) - 1))
    if seed is not None:
        numbers = np.random.default_rng(seed).permutation(len(numbers)).tolist()

    def segments():
        while numbers:
            piece = numbers.pop(0)
            begin, end = int(offsets[piece]), int(offsets[piece + 1])
            before = np.zeros((1, *tokens.shape[1:]), "int32")
            for first in range(begin, end, length):
                words = np.asarray(tokens[first : min(first + length, end)], "int32")
                yield np.concatenate([before, words[:-1]]), words, first == begin
                before = words[-1:]

    rows = [segments() for _ in range(batch_size)]
    while True:
        found = [next(row, None) for row in rows]
        if not any(found):
            return
        shape = (batch_size, length, *tokens.shape[1:])
        inputs, targets = np.zeros(shape, "int32"), np.full(shape, -1, "int32")
        for row, segment in enumerate(found):
            if segment is not None:
                inputs[row, : len(segment[0])], targets[row, : len(segment[1])] = segment[:2]
        yield inputs, targets, np.array([bool(segment and segment[2]) for segment in found])
