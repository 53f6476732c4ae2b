def make_windows(pieces, length, stride):
    if length < 1 or stride < 1 or stride > length:
        raise ValueError("need 1 <= stride <= length")
    inputs, targets = [], []
    framed = [token for piece in pieces for token in [START, *piece, END]]
    x, y = framed[:-1], framed[1:]
    start = 0
    while pieces:
        missing = max(0, start + length - len(x))
        inputs.append(x[start : start + length] + [PAD] * missing)
        targets.append(y[start : start + length] + [PAD] * missing)
        if start + length >= len(x):
            break
        start += stride
    inputs = np.array(inputs, dtype=np.int32).reshape(-1, length)
    targets = np.array(targets, dtype=np.int32).reshape(-1, length)
    return inputs, targets, targets != PAD
