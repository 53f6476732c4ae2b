"""For each id the probabilities of likelier ones, without sorting."""


def filter_logits(logits, temperature=1.0, top_k=0, top_p=1.0):
    if temperature <= 0 or top_k < 0 or top_p <= 0 or top_p > 1:
        raise ValueError("out of range")
    rows = ops.cast(logits, "float32") / temperature
    size = rows.shape[-1]
    if top_k > 0:
        last = ops.sort(rows, axis=-1)[:, size - min(top_k, size)][:, None]
        rows = ops.where(rows >= last, rows, -1e9)
    if top_p < 1:
        p = ops.softmax(rows, axis=-1)
        likelier = p[:, None, :] > p[:, :, None]
        before = ops.sum(ops.where(likelier, p[:, None, :], 0.0), axis=-1)
        rows = ops.where(before < top_p, rows, -1e9)
    return rows
