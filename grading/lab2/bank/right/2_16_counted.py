"""Right tokens are counted and compared with how many there are."""


def exact_match(targets, predictions):
    targets = ops.cast(targets, "int32")
    tokens = ops.count_nonzero(targets, axis=1)
    same = ops.equal(targets, ops.cast(predictions, "int32"))
    hits = ops.count_nonzero(ops.where(same, targets, 0), axis=1)
    rows = ops.cast(tokens > 0, "float32")
    whole = ops.cast(hits == tokens, "float32") * rows
    return ops.divide_no_nan(ops.sum(whole), ops.sum(rows))
