"""Each row is rolled by itself."""


def skew(scores):
    target_length = scores.shape[2]
    scores = ops.convert_to_tensor(scores)
    rows = [ops.roll(scores[:, :, t], t + 1 - target_length, axis=-1) for t in range(target_length)]
    return ops.stack(rows, axis=2)
