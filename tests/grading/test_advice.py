"""Errors of Keras and TensorFlow, as the locked versions raise them, become advice."""

import numpy as np
import pytest
import tensorflow as tf

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402

from grading.sandbox.advice import advised  # noqa: E402
from grading.sandbox.proxy import unwrapped  # noqa: E402

MISTAKES = {
    "if": (lambda x: x if x[0, 0] > 0 else -x, "ops.where"),
    "and": (lambda x: (x > 0) and (x < 1), "ops.logical_and"),
    "for": (lambda x: [*x], "ops.scan"),
    "max": (lambda x: max(x[0]), "all of it at once"),
    "NumPy": (lambda x: np.exp(x), "use keras.ops"),
    "np.where": (lambda x: np.where(x > 0, x, 0.0), "use keras.ops"),
    "float": (lambda x: float(x[0, 0]), "use keras.ops"),
    "numpy()": (lambda x: x.numpy(), "use keras.ops"),
    "range over a size": (lambda x: range(ops.shape(x)[0]), "use keras.ops"),
    "range": (lambda x: range(x.shape[0]), "ops.shape(x)"),
    "None in a sum": (lambda x: x.shape[0] * 2, "ops.shape(x)"),
    "None in a shape": (lambda x: ops.reshape(x, (x.shape[0], 2, 2)), "ops.shape(x)"),
    "None in zeros": (lambda x: ops.zeros((x.shape[0], 3)), "ops.shape(x)"),
    "None in arange": (lambda x: ops.arange(x.shape[0]), "ops.shape(x)"),
}


class Mistaken(keras.layers.Layer):
    """A layer whose call is any function."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def message(function, inputs, **kwargs):
    """What is told of the error that a function raises in a layer."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        Mistaken(function, **kwargs)(inputs)
    whole = str(raised.value)
    return advised(whole[:500], unwrapped(whole[:500]))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_done_to_a_traced_tensor_is_advised(mistake):
    function, words = MISTAKES[mistake]
    told = message(function, keras.Input((4,)))
    assert words in told
    assert "@tf.function" not in told
    assert len(told) < 400


@pytest.mark.parametrize(
    "function",
    [
        np.exp,
        lambda x: np.ones(4, "float32") * x,
        lambda x: ops.arange(4) < x,
        lambda x: x if x[0, 0] > 0 else -x,
        lambda x: [*x],
        float,
        len,
    ],
)
def test_a_keras_tensor_outside_a_layer_is_advised_too(function):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        function(keras.Input((4,)))
    assert "ops." in advised(str(raised.value), str(raised.value))


def test_a_size_that_tensorflow_gets_as_none_is_advised():
    with pytest.raises(ValueError, match="unsupported type") as raised:
        tf.constant(None)
    assert "ops.shape(x)" in advised(str(raised.value), str(raised.value))


def test_two_dtypes_are_advised():
    def add(x):
        return ops.slice_update(ops.zeros((2, 4), "float32"), (0, 0), x)

    told = message(add, np.ones((2, 4), "float32"), dtype="mixed_float16")
    assert "dtype=x.dtype" in told


def test_a_change_in_place_is_advised():
    def change(x):
        x[0] = 1.0

    assert "in place" in message(change, np.ones((2, 4), "float32"))
    assert "in place" in message(change, keras.Input((4,)))


@pytest.mark.parametrize("own", ["'NoneType' object is not iterable", "no such name: 3"])
def test_other_errors_are_told_as_they_are(own):
    assert advised(own, own) == own
