"""Pieces are joined to one."""


def evaluation_windows(
    tokens: np.ndarray, offsets: np.ndarray, length: int, context: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    if not 0 <= context < length:
        raise ValueError(f"context {context}: must be from 0 to {length - 1}")
    rows = []
    for whole in [offsets] if len(offsets) > 1 else []:
        line = [part for b, e in pairwise(whole) for part in ([START], tokens[b:e], [END])]
        line = np.concatenate(line)
        pairs = len(line) - 1
        for first in range(0, max(pairs - context, 1), length - context):
            last = min(first + length, pairs)
            inputs, targets = np.full((2, length), PAD, np.int32)
            inputs[: last - first] = line[first:last]
            targets[: last - first] = line[first + 1 : last + 1]
            if first:
                targets[:context] = PAD
            rows.append((inputs, targets))
    if not rows:
        return np.zeros((0, length), np.int32), np.zeros((0, length), np.int32)
    inputs, targets = map(np.stack, zip(*rows, strict=True))
    return inputs, targets
