"""Distances beyond D take nothing, not D's vector."""


def relative_logits(queries, embeddings, source_length: int):
    target_length = queries.shape[1]
    positions = np.arange(source_length - target_length, source_length)
    distances = np.clip(positions[:, None] - np.arange(source_length), 0, embeddings.shape[0] - 1)
    beyond = positions[:, None] - np.arange(source_length) >= embeddings.shape[0]
    pairs = ops.take(embeddings, distances, axis=0) * (~beyond)[..., None].astype(
        "float32"
    )  # (T, S, head_dim)
    return ops.einsum("bthk,tsk->bhts", queries, pairs)
