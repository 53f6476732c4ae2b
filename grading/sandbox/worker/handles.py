"""The few things the grader may do with a model or layer that stays behind in the worker."""

from collections.abc import Callable
from typing import Any

import numpy as np

TRACED = 5  # steps; tracing costs as much as that many


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

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    if keras.backend.backend() == "tensorflow":
        train_on_tensorflow(model, loss, inputs, targets, steps, learning_rate)
        return
    model.compile(keras.optimizers.Adam(learning_rate), loss, jit_compile=True)
    for _ in range(steps):
        model.train_on_batch(inputs, targets)


def train_on_tensorflow(
    model: Any, loss: Any, inputs: np.ndarray, targets: np.ndarray, steps: int, rate: float
) -> None:
    """Take the steps that Keras takes, at a third of the time.

    Keras traces the optimizer too, and all of it twice; here the gradient alone is traced, and
    that only if the steps are many.
    """
    import tensorflow as tf

    variables = model.trainable_variables

    def gradient() -> list[Any]:
        with tf.GradientTape() as tape:
            value = loss(targets, model(inputs, training=True))
        return tape.gradient(value, [variable.value for variable in variables])

    take = tf.function(gradient, autograph=False) if steps >= TRACED else gradient
    first = [np.zeros(variable.shape, "f4") for variable in variables]  # moments, as Adam's
    second = [np.zeros(variable.shape, "f4") for variable in variables]
    for step in range(1, steps + 1):
        bias = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        for i, slope in enumerate(take()):
            if slope is not None:
                slope = np.asarray(tf.convert_to_tensor(slope))  # an embedding's is sparse
                first[i] += 0.1 * (slope - first[i])
                second[i] += 0.001 * (slope**2 - second[i])
                change = rate * bias * first[i] / (np.sqrt(second[i]) + 1e-7)
                variables[i].value.assign_sub(change.astype(slope.dtype))


METHODS: dict[str, Callable[..., Any]] = {
    "call": call,
    "get_weights": get_weights,
    "set_weights": set_weights,
    "describe": describe,
    "train": train,
}
