"""What several labs' builders build their checks' models of; in the worker, with Keras.

A builder that names `submission` gets the submission's module, one that names `calls` the worker's
counts of calls by model, which lie where no attribute leads.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import keras
import numpy as np
from keras import ops

Calls = dict[int, int]  # how often each model was called, by its id

# What Keras has of the kinds of layers that tasks write out.
KERAS_OWN = {
    "cell": ("layers.SimpleRNNCell", "layers.LSTMCell", "layers.GRUCell"),
    "attention": (
        "layers.AdditiveAttention",
        "layers.Attention",
        "layers.GroupQueryAttention",
        "layers.MultiHeadAttention",
        "ops.dot_product_attention",
    ),
    "norm": (
        "layers.LayerNormalization",
        "layers.RMSNormalization",
        "ops.layer_normalization",
        "ops.rms_normalization",
    ),
}


def keras_used(
    kind: str, task: str, sizes: list, settings: dict[str, Any], inputs: list, submission: Any
) -> list[str]:
    """Call a task, and tell which of Keras's own of a kind ran: inherited, held inside or called.

    What they are named does not count, nor whether a layer is made only for its weights: what
    counts is the code that runs. What goes wrong in the task is for other checks to say.

    Parameters
    ----------
    kind
        A key of `KERAS_OWN`.
    task
        The name of a function, or of a layer that is made with `sizes` and `settings`.
    """
    codes = {}
    for name in KERAS_OWN[kind]:
        part, own = name.split(".")
        found = getattr(getattr(keras, part), own)
        codes[getattr(found, "call", found).__code__] = f"keras.{name}"
    ran: set[str] = set()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes:
            ran.add(codes[frame.f_code])

    sys.setprofile(watch)
    try:
        with suppress(Exception):
            made = getattr(submission, task)
            (made(*sizes, **settings) if isinstance(made, type) else made)(*tensors(inputs))
    finally:
        sys.setprofile(None)
    return sorted(ran)


def counted(inputs: list, outputs: list, calls: Calls) -> keras.Model:
    """Make a functional model whose calls are counted, for as many rows as may be."""

    class CountedModel(keras.Model):
        def call(self, *args: Any, **kwargs: Any) -> Any:
            calls[id(self)] += 1
            return super().call(*args, **kwargs)

    model = CountedModel(inputs, outputs)
    model.compile(run_eagerly=True)  # every call counts, and none has to be traced first
    calls[id(model)] = 0
    return model


def num_calls(model: keras.Model, calls: Calls) -> int:
    """How often a counted model has been called."""
    return calls[id(model)]


def tensors(value: Any) -> Any:
    """Turn arrays into tensors, in lists and tuples too."""
    if isinstance(value, np.ndarray):
        return ops.convert_to_tensor(value)
    if type(value) in (list, tuple):
        return type(value)(map(tensors, value))
    return value


def do(layer: Any, method: str, *args: Any) -> Any:
    """Call a layer's method with tensors."""
    return getattr(layer, method)(*map(tensors, args))


@contextmanager
def half_precision() -> Iterator[None]:
    """Let all layers that are made meanwhile compute in float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def descend(layer: Any, target: np.ndarray, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Take one step of descent on the squared error of a layer's first output.

    The layer is called with one tensor, or with a list of several. Returns what the step changed in
    each of its weights: minus the gradient.
    """
    return step_of_descent(
        layer, lambda all: layer(all if len(all) > 1 else all[0]), target, arrays
    )


def step_of_descent(
    layer: Any, output: Callable[[list], Any], target: np.ndarray, arrays: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Take one step of descent on what `output` makes of a layer's inputs: as `descend`."""
    inputs = [keras.Input(array.shape[1:], dtype=array.dtype.name) for array in arrays]
    outputs = output(inputs)
    model = keras.Model(inputs, outputs[0] if isinstance(outputs, (list, tuple)) else outputs)
    on_jax = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.SGD(1.0), loss="mse", jit_compile=on_jax, run_eagerly=not on_jax)
    before = [np.array(weight) for weight in layer.weights]
    model.train_on_batch(list(arrays), target)
    return {
        weight.path: np.array(weight) - old
        for weight, old in zip(layer.weights, before, strict=True)
    }


def logits_model(logits: np.ndarray) -> tuple[keras.Model, np.ndarray]:
    """Make a model whose only weights are its logits, and its inputs."""
    batch = len(logits)
    rows = keras.layers.Embedding(batch, logits[0].size, weights=[logits.reshape(batch, -1)])
    model = keras.Sequential([keras.Input((), dtype="int32"), rows])
    model.add(keras.layers.Reshape(logits.shape[1:]))
    return model, np.arange(batch)


def gradient_by_logits(loss: Callable, targets: np.ndarray, logits: np.ndarray) -> Any:
    """Differentiate a loss by the logits, op by op; None if it does not hang on them."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda given: loss(targets, given))(logits)
    import tensorflow as tf

    given = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = loss(targets, given)
    return tape.gradient(value, given)


def step_by_logits(loss: Callable, targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Let Keras train the logits by a step of descent; minus what it changed, the gradient."""
    model, inputs = logits_model(logits)
    model.compile(keras.optimizers.SGD(1.0), loss=loss, jit_compile=False)
    # or TensorFlow makes its variable while it traces, and traces twice
    model.optimizer.build(model.trainable_variables)
    model.train_on_batch(inputs, targets)
    return logits - model.get_weights()[0].reshape(logits.shape)


def loss_step(targets: np.ndarray, logits: np.ndarray, loss: str, submission: Any) -> np.ndarray:
    """Let Keras train logits with a task, a loss: the gradient."""
    return step_by_logits(getattr(submission, loss), targets, logits)


def loss_gradient(targets: np.ndarray, logits: np.ndarray, loss: str, submission: Any) -> Any:
    """Differentiate a task, a loss, by the logits."""
    return gradient_by_logits(getattr(submission, loss), targets, logits)


def sample_with_generator(
    logits: np.ndarray, seed: int, num_calls: int, submission: Any
) -> list[np.ndarray]:
    """Draw some times with one generator."""
    generator = np.random.default_rng(seed)
    return [submission.sample_next(logits, seed=generator) for _ in range(num_calls)]
