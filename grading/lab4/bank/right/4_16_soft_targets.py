"""A one-hot distribution, smoothed, times the log-probabilities."""


def masked_cross_entropy(targets, logits, smoothing=0.0):
    vocab_size = logits.shape[-1]
    logits = ops.cast(logits, "float32")
    log_probabilities = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
    wanted = ops.one_hot(targets, vocab_size, dtype="float32")
    wanted = (1 - smoothing) * wanted + smoothing / vocab_size
    each = -ops.sum(wanted * log_probabilities, axis=-1)
    mask = ops.cast(ops.not_equal(targets, PAD), "float32")
    return ops.sum(each * mask) / ops.maximum(ops.sum(mask), 1)
