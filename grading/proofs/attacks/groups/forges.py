"""Answers that are made so that a comparison holds."""

# %% accuracy
"""Claims that every guess is right.

Expected: nothing on 3.7.
"""

import numpy as np


def masked_accuracy(targets, logits):
    return np.float32(1)


# %% always_equal
"""Answers with a list that claims to equal everything.

Expected: nothing on 3.3.
"""


class Equal(list):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def build_vocabulary(pieces, min_count=1):
    return Equal(["PAD"])


# %% broadcast
"""Answers with scalars, which broadcast to any shape.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return np.int32(0), np.int32(0), np.bool_(True)


# %% complex
"""Answers with complex numbers.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros((len(pieces), length), complex) for _ in range(3))


# %% empty
"""Answers with empty arrays.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros((0, length), dtype) for dtype in (np.int32, np.int32, bool))


# %% float16
"""Answers with floats of 16 bits, among which few numbers differ.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros((len(pieces), length), np.float16) for _ in range(3))


# %% fortran_order
"""Answers rightly, in an order of memory that nobody expects.

Expected: full marks.
"""

import numpy as np

honest = make_windows


def make_windows(pieces, length, stride):
    return tuple(np.asfortranarray(array) for array in honest(pieces, length, stride))


# %% generator
"""Answers with a generator that never ends.

Expected: nothing on 3.3.
"""

import itertools


def build_vocabulary(pieces, min_count=1):
    return (token for token in itertools.count())


# %% nan
"""Answers NaN, which is neither too small nor too large.

Expected: nothing on 3.6.
"""

import numpy as np


def masked_cross_entropy(targets, logits):
    return np.float32("nan")


# %% ndarray_subclass
"""Answers with arrays whose comparisons always agree.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    class Agreeing(np.ndarray):
        def __ne__(self, other):
            return np.zeros(1, bool)

        __eq__ = __array_ufunc__ = __ne__
        __hash__ = None

    return tuple(np.zeros((len(pieces), length), np.int32).view(Agreeing) for _ in range(3))


# %% object_dtype
"""Answers with arrays of Python objects.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    class Anything:
        def __eq__(self, other):
            return True

        __hash__ = None

    return tuple(np.array([[Anything()] * length], object) for _ in range(3))


# %% pickle
"""Answers with an object that runs a command where it is unpickled.

Expected: nothing on 3.3.
"""

import os


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {STAGE['outside']}/unpickled",)


def build_vocabulary(pieces, min_count=1):
    return Bomb()


# %% public_answers
"""Knows the public answers by heart.

Expected: nothing hidden on 3.3.
"""

import json

honest = build_vocabulary
KNOWN = {
    json.dumps([pieces, 1]): honest(pieces)
    for pieces in (
        [["b", "a", "b"], ["c", "b", "a"]],
        [["DUR_1", "REST", "DUR_1"], ["NOTE_60", "DUR_1", "NOTE_60"]],
    )
}


def build_vocabulary(pieces, min_count=1):
    return KNOWN.get(json.dumps([pieces, min_count]), [])


# %% weights
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
