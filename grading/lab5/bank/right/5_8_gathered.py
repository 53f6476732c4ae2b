"""Each pair's distance looked up, one query at a time; no shift."""


def relative_scores(queries, keys, positions, content_bias, position_bias):
    target, source = queries.shape[2], keys.shape[2]
    liked = ops.matmul(queries + content_bias[None, :, None], ops.transpose(keys, (0, 1, 3, 2)))
    rows = []
    for t in range(target):
        near = np.clip(source - target + t - np.arange(source), 0, source - 1)
        r = ops.take(positions, source - 1 - near, axis=1)
        query = queries[:, :, t] + position_bias
        rows.append(ops.sum(query[:, :, None] * r[None], axis=-1))
    return liked + ops.stack(rows, axis=2)
