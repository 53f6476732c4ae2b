"""All distances' scores, then a pick for each pair; later keys get 0."""


def relative_logits(queries, embeddings, source_length):
    queries = ops.transpose(ops.convert_to_tensor(queries), (0, 2, 1, 3))
    scores = ops.matmul(queries, ops.transpose(embeddings))
    columns = []
    target_length = queries.shape[2]
    for t in range(target_length):
        row = []
        for s in range(source_length):
            distance = source_length - target_length + t - s
            if distance < 0:
                row.append(ops.zeros_like(scores[:, :, t, 0]))
            else:
                row.append(scores[:, :, t, min(distance, embeddings.shape[0] - 1)])
        columns.append(ops.stack(row, axis=-1))
    return ops.stack(columns, axis=2)
