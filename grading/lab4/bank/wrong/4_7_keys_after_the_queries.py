"""Distances are counted from the key."""


def relative_logits(queries, embeddings, source_length: int):
    target_length = queries.shape[1]
    positions = np.arange(source_length - target_length, source_length)
    distances = np.clip(np.arange(source_length) - positions[:, None], 0, embeddings.shape[0] - 1)
    pairs = ops.take(embeddings, distances, axis=0)  # (T, S, head_dim)
    return ops.einsum("bthk,tsk->bhts", queries, pairs)
