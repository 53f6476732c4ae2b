"""NumPy's sliding windows over each padded piece, all windows at once."""


def make_windows(pieces, length, stride):
    if not 1 <= stride <= length:
        raise ValueError(f"stride {stride} for windows of {length}")
    rows = [np.zeros((0, length + 1), np.int32)]
    for piece in pieces:
        framed = np.concatenate([[START], np.asarray(piece, np.int32), [END]]).astype(np.int32)
        beyond = max(0, len(framed) - 1 - length)
        size = length + 1 + stride * int(np.ceil(beyond / stride))
        padded = np.pad(framed, (0, size - len(framed)))
        rows.append(np.lib.stride_tricks.sliding_window_view(padded, length + 1)[::stride])
    both = np.concatenate(rows)
    inputs, targets = both[:, :-1], both[:, 1:]
    inputs = np.where(targets == PAD, PAD, inputs)  # END is never an input
    return inputs, targets, targets.astype(bool)
