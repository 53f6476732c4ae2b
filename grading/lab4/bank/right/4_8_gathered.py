"""Columns are gathered by number; what has no meaning is 0."""


def skew(scores):
    target_length, source_length = scores.shape[2:]
    columns = np.arange(source_length) + target_length - 1 - np.arange(target_length)[:, None]
    meant = columns < source_length
    columns = np.minimum(columns, source_length - 1)[None, None]
    shape = ops.shape(scores)
    indices = ops.broadcast_to(ops.convert_to_tensor(columns, "int32"), shape)
    found = ops.take_along_axis(ops.convert_to_tensor(scores), indices, axis=-1)
    return ops.where(meant[None, None], found, ops.zeros_like(found))
