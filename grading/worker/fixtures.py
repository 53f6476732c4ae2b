"""What several labs' builders build their checks' models of; in the worker, with Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


class CountedModel(keras.Model):
    """A functional model that counts how often it is called, for as many rows as may be."""

    num_calls = 0

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the functional model."""
        self.num_calls += 1
        return super().call(*args, **kwargs)


def counted(inputs: list, outputs: list) -> CountedModel:
    """Make a model that has not been called yet."""
    model = CountedModel(inputs, outputs)
    model.compile(run_eagerly=True)  # every call counts, and none has to be traced first
    model.num_calls = 0
    return model


def num_calls(model: CountedModel) -> int:
    """How often a counted model has been called."""
    return model.num_calls


def logits_model(logits: np.ndarray) -> tuple[keras.Model, np.ndarray]:
    """Make a model whose only weights are its logits, and its inputs."""
    batch = len(logits)
    rows = keras.layers.Embedding(batch, logits[0].size, weights=[logits.reshape(batch, -1)])
    model = keras.Sequential([keras.Input((), dtype="int32"), rows])
    model.add(keras.layers.Reshape(logits.shape[1:]))
    return model, np.arange(batch)


def gradient_by_logits(loss: Callable, targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Differentiate a loss by the logits as Keras does: one step of descent."""
    model, inputs = logits_model(logits)
    model.compile(keras.optimizers.SGD(1.0), loss=loss, jit_compile=False)
    # or TensorFlow makes its variable while it traces, and traces twice
    model.optimizer.build(model.trainable_variables)
    model.train_on_batch(inputs, targets)
    return logits - model.get_weights()[0].reshape(logits.shape)


def sample_with_generator(
    logits: np.ndarray, seed: int, num_calls: int, submission: Any
) -> list[np.ndarray]:
    """Draw some times with one generator."""
    generator = np.random.default_rng(seed)
    return [submission.sample_next(logits, seed=generator) for _ in range(num_calls)]
