"""The few things the grader may do with a model or layer that stays behind in the worker."""

from collections.abc import Callable
from typing import Any

import numpy as np


def call(layer: Any, *inputs: Any, training: bool = False) -> Any:
    """Apply the layer; several inputs become a list."""
    return layer(inputs[0] if len(inputs) == 1 else list(inputs), training=training)


def get_weights(layer: Any) -> dict[str, np.ndarray]:
    """Every weight by its path."""
    from keras import ops

    return {weight.path: np.asarray(ops.convert_to_numpy(weight)) for weight in layer.weights}


def set_weights(layer: Any, weights: dict[str, np.ndarray]) -> None:
    """Give every weight named in `weights` its value."""
    variables = {variable.path: variable for variable in layer.weights}
    for path, value in weights.items():
        variables[path].assign(value)


def describe(layer: Any) -> dict[str, Any]:
    """Name, kind, shapes of inputs and outputs, names of the layers inside."""

    def shapes(tensors: Any) -> list:
        tensors = tensors if isinstance(tensors, (list, tuple)) else [tensors]
        return [list(tensor.shape) for tensor in tensors]

    return {
        "name": layer.name,
        "kind": type(layer).__name__,
        "inputs": shapes(getattr(layer, "inputs", None) or []),
        "outputs": shapes(getattr(layer, "outputs", None) or []),
        "layers": [(inner.name, type(inner).__name__) for inner in getattr(layer, "layers", [])],
        "weights": len(layer.weights),
    }


def train(
    model: Any, inputs: np.ndarray, targets: np.ndarray, steps: int, learning_rate: float
) -> None:
    """Take Adam steps on one batch, cross-entropy over targets that are not 0.

    Nothing is returned: the grader takes the weights and computes the loss itself.
    """
    import keras

    on_jax = keras.backend.backend() == "jax"
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        jit_compile=on_jax,  # without it JAX runs each step op by op
        run_eagerly=steps < 10 and not on_jax,  # tracing costs TensorFlow as much as ten steps
    )
    # or TensorFlow makes Adam's variables while it traces, and traces twice: three times as long
    model.optimizer.build(model.trainable_variables)
    for _ in range(steps):
        model.train_on_batch(inputs, targets)


METHODS: dict[str, Callable[..., Any]] = {
    "call": call,
    "get_weights": get_weights,
    "set_weights": set_weights,
    "describe": describe,
    "train": train,
}
