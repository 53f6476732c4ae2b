"""Only whole windows are kept: a piece loses its end."""


def make_windows(pieces, length, stride):
    if length < 1 or stride < 1 or stride > length:
        raise ValueError("need 1 <= stride <= length")
    inputs, targets = [], []
    for piece in pieces:
        framed = [START, *piece, END]
        x, y = framed[:-1], framed[1:]
        for start in range(0, len(x) - length + 1, stride):
            inputs.append(x[start : start + length])
            targets.append(y[start : start + length])
    inputs = np.array(inputs, dtype=np.int32).reshape(-1, length)
    targets = np.array(targets, dtype=np.int32).reshape(-1, length)
    return inputs, targets, targets != PAD
