"""A mask of what carries something, then one sum a field."""


def nats_and_notes(targets, logits):
    carries = ops.cast(targets > 0, "float32")
    costs = []
    for field, one in enumerate(logits):
        one = ops.cast(one, "float32")
        right = ops.one_hot(ops.maximum(targets[..., field], 0), one.shape[-1])
        each = ops.logsumexp(one, axis=-1) - ops.sum(one * right, axis=-1)
        weight = carries[..., field]
        if field == 3:
            weight = ops.cast(targets[..., field] > -1, "float32")
        costs.append(ops.sum(each * weight))
    notes = ops.cast(ops.equal(targets[..., 3], 2), "float32")
    return ops.sum(ops.stack(costs)), ops.sum(notes)
