"""What the worker builds or runs for Lab 2's checks."""

from typing import Any

import keras
import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import Calls, counted, half_precision
from grading.sandbox.worker.fixtures import descend as descend
from grading.sandbox.worker.fixtures import do as do
from grading.sandbox.worker.fixtures import keras_used as keras_used
from grading.sandbox.worker.fixtures import loss_gradient as loss_gradient
from grading.sandbox.worker.fixtures import loss_step as loss_step
from grading.sandbox.worker.fixtures import num_calls as num_calls
from toolkit.training.runtime import compiled

# Tasks 2.1 to 2.6


def number_types(num_pairs: int, submission: Any) -> list[str]:
    """Name the types of the numbers in what `make_pairs` returns; NumPy's cross as int."""
    splits = submission.make_pairs(num_pairs).values()
    return sorted({type(number).__name__ for pairs in splits for number, _ in pairs})


def complaint(name: str, *args: Any, submission: Any) -> str | None:
    """Call a task with bad input: what its ValueError says, None if there is none."""
    try:
        getattr(submission, name)(*args)
    except ValueError as error:
        return str(error)
    return None


# Tasks 2.7 to 2.14


def in_half_precision(layer: str, sizes: list, *arrays: np.ndarray, submission: Any) -> Any:
    """Construct a layer where all layers compute in float16, and call it."""
    with half_precision():
        return getattr(submission, layer)(*sizes)(list(arrays))


def in_model(layer: keras.layers.Layer, method: str, *arrays: np.ndarray) -> Any:
    """Call a layer in a model that knows neither batch nor lengths; a method, no batch."""
    known = 2 if method == "call" else 1
    inputs = [
        keras.Input((None,) * (known - 1) + array.shape[known:], dtype=array.dtype.name)
        for array in arrays
    ]
    outputs = layer(inputs) if method == "call" else getattr(layer, method)(*inputs)
    return keras.Model(inputs, outputs)(list(arrays))


# Tasks 2.17 and 2.18


def scripted_networks(table: np.ndarray, calls: Calls) -> tuple[keras.Model, keras.Model]:
    """Make an encoder and a stepper that follow the script of grading/lab2/beams.py.

    The states are a count of steps, int (batch, 1); where digits are, bool (batch, source length);
    and h, float (batch, 2, 3), all of which grow, modulo the number of rows, by what is fed:
    h' = 3 h + id + count + 0 … 5. The sum of all h' and the number of digits name the row.
    """
    rows, vocab_size = table.shape
    digits = keras.Input((None,), dtype="int32")
    places = ops.cumsum(ops.ones_like(digits), axis=1)
    key = ops.mod(ops.sum(digits * places, axis=1, keepdims=True), rows)
    first = ops.tile(ops.cast(key, "float32")[:, :, None], (1, 2, 3))
    encoder = counted([digits], [ops.zeros_like(key), ops.not_equal(digits, 0), first], calls)

    word = keras.Input((1,), dtype="int32")
    count = keras.Input((1,), dtype="int32")
    is_digit = keras.Input((None,), dtype="bool")
    h = keras.Input((2, 3))
    fed = ops.cast(word + count, "float32")[:, :, None]
    new_h = ops.mod(fed + (3 * h + np.arange(6, dtype="f4").reshape(1, 2, 3)), rows)
    total = ops.cast(ops.sum(new_h, axis=(1, 2)), "int32")
    row = ops.mod(total + ops.sum(ops.cast(is_digit, "int32"), axis=1), rows)
    logits = keras.layers.Embedding(rows, vocab_size, weights=[table])(row)
    stepper = counted([word, count, is_digit, h], [logits, count + 1, is_digit, new_h], calls)
    return encoder, stepper


def greedy_compiled(
    encoder: Any, stepper: Any, digits: np.ndarray, max_length: int, submission: Any
) -> np.ndarray:
    """Decode in a compiled function, as the lab's experiment does."""

    def decode(digits: Any) -> Any:
        return submission.greedy_decode(encoder, stepper, digits, max_length)

    return compiled(decode, encoder, stepper, xla=True)(digits)
