"""Arrays of the final size are filled by slices; they come back in a list, in Fortran order."""


def starts_of(total, length, stride):
    starts = [0]
    while starts[-1] + length < total:
        starts.append(starts[-1] + stride)
    return starts


def make_windows(pieces, length, stride):
    if length < 1:
        raise ValueError("length")
    if stride not in range(1, length + 1):
        raise ValueError("stride")
    where = [(i, s) for i, p in enumerate(pieces) for s in starts_of(len(p) + 1, length, stride)]
    inputs = np.full((len(where), length), PAD, np.int32, order="F")
    targets = np.full((len(where), length), PAD, np.int32, order="F")
    mask = np.full((len(where), length), False, order="F")
    for row, (index, start) in enumerate(where):
        piece = [START, *pieces[index], END]
        window = piece[start : start + length + 1]
        inputs[row, : len(window) - 1] = window[:-1]
        targets[row, : len(window) - 1] = window[1:]
        mask[row, : len(window) - 1] = True
    return [inputs, targets, mask]
