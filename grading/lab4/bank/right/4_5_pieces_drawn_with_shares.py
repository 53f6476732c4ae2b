"""First the piece with its share, then the crop; pairs are copied one by one."""


def make_batches(tokens, offsets, length, batch_size, seed=0):
    if length < 1 or batch_size < 1 or len(offsets) <= 1:
        raise ValueError("nothing to cut from")

    def batches():
        rng = np.random.default_rng([seed, 7])
        pieces = [tokens[begin:end] for begin, end in pairwise(map(int, offsets))]
        shares = np.array([float(len(piece) + length) for piece in pieces])
        shares /= shares.sum()
        while True:
            inputs = np.zeros((batch_size, length), np.int32)
            targets = np.zeros((batch_size, length), np.int32)
            for row in range(batch_size):
                piece = pieces[rng.choice(len(pieces), p=shares)]
                size = len(piece)
                first = int(rng.integers(1 - length, size + 1))
                places = [p for p in range(first, first + length) if 0 <= p <= size]
                for column, place in enumerate(places):
                    inputs[row, column] = piece[place - 1] if place else START
                    targets[row, column] = piece[place] if place < size else END
            yield inputs, targets

    return batches()
