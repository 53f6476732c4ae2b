"""Keras's sparse accuracy a position, weighted by the mask; no tokens: where."""


def masked_accuracy(targets, logits):
    mask = ops.cast(ops.not_equal(targets, 0), "float32")
    hits = keras.metrics.sparse_categorical_accuracy(ops.cast(targets, "int32"), logits)
    hits = ops.cast(ops.reshape(hits, ops.shape(mask)), "float32")
    tokens = ops.sum(mask)
    return ops.where(tokens > 0, ops.sum(mask * hits) / ops.maximum(tokens, 1.0), 0.0)
