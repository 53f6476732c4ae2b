"""Crops hang over the beginning, not over the end."""


def make_batches(
    tokens: np.ndarray, offsets: np.ndarray, length: int, batch_size: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if len(offsets) < 2 or length < 1 or batch_size < 1:
        raise ValueError(f"{len(offsets) - 1} pieces, length {length}, batch size {batch_size}")
    rng = np.random.default_rng(seed)
    sizes = np.diff(np.asarray(offsets, np.int64))
    crops_before = np.concatenate([[0], np.cumsum(sizes + 1)])
    while True:
        inputs, targets = np.full((2, batch_size, length), PAD, np.int32)
        for row, crop in enumerate(rng.integers(crops_before[-1], size=batch_size)):
            piece = int(np.searchsorted(crops_before, crop, side="right")) - 1
            first = int(crop - crops_before[piece]) - (length - 1)  # of the piece's pairs
            first = min(first, int(sizes[piece]) + 1 - length)
            last = min(first + length, int(sizes[piece]) + 1)
            first = max(first, 0)
            begin = int(offsets[piece])
            body = tokens[begin + max(first - 1, 0) : begin + min(last, int(sizes[piece]))]
            line = np.concatenate(
                [[START] if first == 0 else [], body, [END] if last > sizes[piece] else []]
            )
            inputs[row, : last - first] = line[:-1]
            targets[row, : last - first] = line[1:]
        yield inputs, targets
