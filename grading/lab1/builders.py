"""What the worker builds for Lab 1's checks; copied there alone."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import Calls, counted
from grading.sandbox.worker.fixtures import keras_used as keras_used
from grading.sandbox.worker.fixtures import loss_gradient as loss_gradient
from grading.sandbox.worker.fixtures import loss_step as loss_step
from grading.sandbox.worker.fixtures import num_calls as num_calls
from grading.sandbox.worker.fixtures import sample_with_generator as sample_with_generator

# Tasks 1.1 and 1.3


def vocabulary_of_generator(names: list[str], submission: Any) -> Any:
    """Call `build_vocabulary` with names that can be read only once."""
    return submission.build_vocabulary(name for name in names)


def conditioned(dim: int, num_countries: int, submission: Any) -> keras.Model:
    """Make a model of `condition_on_country` that does not know batch and length."""
    inputs, countries = keras.Input((None, dim)), keras.Input((), dtype="int32")
    outputs = submission.condition_on_country(inputs, countries, num_countries)
    return keras.Model([inputs, countries], outputs)


# Tasks 1.4 to 1.8: layers


def keras_cell(kind: str, **settings: Any) -> keras.layers.Layer:
    """One of Keras's own cells."""
    return getattr(keras.layers, kind)(name="cell_0", **settings)


def build_layer(layer: keras.layers.Layer, dim: int) -> None:
    """Make a layer's weights for inputs of `dim` features."""
    layer.build((None, dim))


def take_step(cell: keras.layers.Layer, inputs: np.ndarray, states: list[np.ndarray]) -> Any:
    """Call a cell: its output and new states."""
    return cell(inputs, states)


def walked(cell: keras.layers.Layer, dim: int) -> keras.Model:
    """Make a model that walks a cell along a sequence; what the cell puts out at every step."""
    inputs = keras.Input((None, dim))
    return keras.Model(inputs, keras.layers.RNN(cell, return_sequences=True)(inputs))


class Attention(keras.layers.Layer):
    """`causal_attention` within a layer."""

    def __init__(self, attention: Callable):
        super().__init__()
        self.attention = attention

    def call(self, inputs: list) -> Any:
        """Attend; inputs are query, key, value and positions."""
        return self.attention(*inputs)


def attention_model(num_heads: int, head_dim: int, submission: Any) -> keras.Model:
    """Make a model of `causal_attention` that knows neither batch nor lengths."""
    inputs = [keras.Input((num_heads, None, head_dim)) for _ in range(3)]
    inputs.append(keras.Input((None,), dtype="int32"))
    return keras.Model(inputs, Attention(submission.causal_attention)(inputs))


def block_model(block: keras.layers.Layer, dim: int) -> keras.Model:
    """Make a model of a Transformer block's outputs for whole sequences."""
    inputs = keras.Input((None, dim))
    return keras.Model(inputs, block(inputs)[0])


def block_step(
    block: keras.layers.Layer, inputs: np.ndarray, cache: list[np.ndarray], position: np.ndarray
) -> Any:
    """Call a Transformer block with a cache."""
    return block(inputs, cache=cache, position=position)


def descend(model: keras.Model, inputs: Any, targets: np.ndarray) -> None:
    """Take one step of descent on the cross-entropy; eagerly, for one step is not worth tracing."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss=loss, run_eagerly=True)
    model.train_on_batch(inputs, targets)


# Task 1.12


def scripted_stepper(
    table: np.ndarray, states: list[tuple[str, tuple[int, ...]]], calls: Calls
) -> keras.Model:
    """Make a stepper whose logits are a row of `table`; which row depends on all it has read.

    Its inputs and outputs are those of `build_name_model`'s steppers, with states of the dtypes and
    shapes given. Modulo the number of rows, state i becomes 3 s + id + 5 country + i + 1; the sum
    of all names the row. An id fed twice or left out, another country, a state forgotten or in
    another's place leads to other rows.
    """
    rows, vocab_size = table.shape
    one_id, country = keras.Input((1,), dtype="int32"), keras.Input((), dtype="int32")
    read = ops.cast(one_id[:, 0] + 5 * country, "float32")
    total = ops.zeros_like(read)
    old_states, new_states = [], []
    for i, (dtype, shape) in enumerate(states):
        old = keras.Input(shape, dtype=dtype)
        flat = ops.reshape(ops.cast(old, "float32"), (-1, math.prod(shape)))
        # read first: on TensorFlow ops.add((n, n), (n, 1)) adds a row, not a column (Keras 3.15)
        new = ops.mod(read[:, None] + (3 * flat + i + 1), rows)
        total = total + ops.sum(new, axis=-1)
        old_states.append(old)
        new_states.append(ops.cast(ops.reshape(new, (-1, *shape)), dtype))
    lookup = keras.layers.Embedding(rows, vocab_size, weights=[table])
    logits = lookup(ops.cast(ops.mod(total, rows), "int32"))
    return counted([one_id, country, *old_states], [logits, *new_states], calls)
