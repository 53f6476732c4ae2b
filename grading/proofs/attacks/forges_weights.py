"""A network that is none: weights with the right names that are NaN, and logits of zeros.

Expected: nothing on 3.5.
"""

import keras
import numpy as np


class Nothing(keras.layers.Layer):
    def __init__(self, weights, answer):
        super().__init__()
        self.claimed, self.answer = weights, answer


def build_note_lstm(vocab_size, embedding_dim, units, num_layers, dropout):
    from grading.sandbox.worker.handles import METHODS

    METHODS["get_weights"] = lambda nothing: nothing.claimed
    METHODS["set_weights"] = lambda nothing, weights: None
    METHODS["call"] = lambda nothing, *inputs, training=False: nothing.answer(*inputs)
    shapes = {"embedding/embeddings": (vocab_size, embedding_dim)}
    for i in range(num_layers):
        size = units if i else embedding_dim
        shapes[f"lstm_{i}/lstm_cell/kernel"] = size, 4 * units
        shapes[f"lstm_{i}/lstm_cell/recurrent_kernel"] = units, 4 * units
        shapes[f"lstm_{i}/lstm_cell/bias"] = (4 * units,)
    shapes |= {"logits/kernel": (units, vocab_size), "logits/bias": (vocab_size,)}
    weights = {path: np.full(shape, np.nan, "f4") for path, shape in shapes.items()}

    def logits(ids):
        return np.zeros((*ids.shape, vocab_size), "f4")

    def step(id, *states):
        return [np.zeros((len(id), vocab_size), "f4"), *states]

    return Nothing(weights, logits), Nothing(weights, step)
