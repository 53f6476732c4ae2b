"""Impossible lengths and strides are not refused."""


def make_windows(pieces, length, stride):
    length, stride = max(length, 1), max(stride, 1)
    inputs, targets = [], []
    for piece in pieces:
        framed = [START, *piece, END]
        x, y = framed[:-1], framed[1:]
        start = 0
        while True:
            missing = max(0, start + length - len(x))
            inputs.append(x[start : start + length] + [PAD] * missing)
            targets.append(y[start : start + length] + [PAD] * missing)
            if start + length >= len(x):
                break
            start += stride
    inputs = np.array(inputs, dtype=np.int32).reshape(-1, length)
    targets = np.array(targets, dtype=np.int32).reshape(-1, length)
    return inputs, targets, targets != PAD
