"""Every multiple of the stride begins a window, also after one has reached the end."""


def make_windows(pieces, length, stride):
    if length < 1 or stride < 1 or stride > length:
        raise ValueError("need 1 <= stride <= length")
    inputs, targets = [], []
    for piece in pieces:
        framed = [START, *piece, END]
        x, y = framed[:-1], framed[1:]
        for start in range(0, len(x), stride):
            missing = max(0, start + length - len(x))
            inputs.append(x[start : start + length] + [PAD] * missing)
            targets.append(y[start : start + length] + [PAD] * missing)
    inputs = np.array(inputs, dtype=np.int32).reshape(-1, length)
    targets = np.array(targets, dtype=np.int32).reshape(-1, length)
    return inputs, targets, targets != PAD
