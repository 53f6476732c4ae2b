"""Indices of pairs as a matrix for each piece."""


def evaluation_windows(tokens, offsets, length, context=0):
    if context < 0 or context >= length:
        raise ValueError("context")
    all_inputs = [np.zeros((0, length), np.int32)]
    all_targets = [np.zeros((0, length), np.int32)]
    stride = length - context
    for piece in range(len(offsets) - 1):
        body = np.asarray(tokens[int(offsets[piece]) : int(offsets[piece + 1])], np.int64)
        line = np.r_[START, body, END, np.zeros(length + 1, np.int64)]
        pairs = len(body) + 1
        count = 1 + max(0, -(-(pairs - length) // stride))
        places = np.arange(count)[:, None] * stride + np.arange(length)
        there = places < pairs
        places = np.minimum(places, pairs)
        scored = there & ((np.arange(length) >= context) | (np.arange(count) == 0)[:, None])
        all_inputs.append(np.where(there, line[places], PAD).astype(np.int32))
        all_targets.append(np.where(scored, line[places + 1], PAD).astype(np.int32))
    return np.concatenate(all_inputs), np.concatenate(all_targets)
