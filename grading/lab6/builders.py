"""What the worker builds or runs for Lab 6's checks; copied there alone."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import descend as descend
from grading.sandbox.worker.fixtures import do as do
from grading.sandbox.worker.fixtures import half_precision, tensors
from grading.sandbox.worker.fixtures import keras_used as keras_used
from toolkit.training.runtime import compiled

# Tasks 6.1 to 6.5: layers and the model


def rotate_in_graph(x: np.ndarray, offset: int, submission: Any) -> Any:
    """Rotate in a compiled function, in which the offset has no value yet."""
    return compiled(submission.rotate)(x, np.array(offset, "i4"))


def in_half_precision(
    layer: str, settings: dict[str, Any], x: np.ndarray, method: str, submission: Any
) -> Any:
    """Construct a layer where all layers compute in float16, and do a method.

    float16 arrays come back as they are.
    """
    with half_precision():
        made = getattr(submission, layer)(**settings)
        made(tensors(x))
        return do(made, method, x)


def losses_of_fit(model: Any, ids: np.ndarray, targets: np.ndarray, steps: int) -> list[float]:
    """Losses of steps as `fit` takes them, which change no weight."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    return [float(model.train_on_batch(ids, targets)) for _ in range(steps)]


# Task 6.8: files


def read_file(content: np.ndarray, submission: Any) -> Any:
    """Let `read_safetensors` read a file of these bytes; a truth value comes back as one."""
    path = Path("model.safetensors")
    path.write_bytes(content.tobytes())
    try:
        found = submission.read_safetensors(path)
    finally:
        path.unlink()
    if type(found) is not dict:
        return found
    return {
        name: array.view("u1") != 0
        if isinstance(array, np.ndarray) and array.dtype.kind == "b"
        else array
        for name, array in found.items()
    }


# Task 6.10: a script in the place of a model


class Scripted(keras.Model):
    """Logits by a row of a table; which row says each id in the cache, and its place.

    The cache has two parts, ids and twice the ids, each read on its own: what is taken from another
    row or place leads to another row of the table. The script is `Script` in the hidden oracles.
    """

    def __init__(self, table: np.ndarray):
        super().__init__()
        self.table, self.num_steps = table, 0

    def read(self, ids: Any) -> list[Any]:
        """Keys and values of a primer: (batch, 1, length, 1)."""
        spelled = ops.cast(ids, "float32")[:, None, :, None]
        return [spelled, 2 * spelled]

    def step(self, ids: Any, slot: Any, old: Any, new: Any) -> tuple[Any, list[Any]]:
        """Logits by what the cache holds, and by how long ago it was."""
        self.num_steps += 1
        rows, size, slots = len(self.table), old[0].shape[2], new[0].shape[2]
        here = ops.equal(ops.arange(slots), slot)[:, None]
        new = [ops.where(here, one, part) for one, part in zip(self.read(ids), new, strict=True)]
        distances = size + slot - ops.arange(size + slots)
        powers = ops.convert_to_tensor(3 ** np.arange(30) % rows, "float32")
        weights = ops.take(powers, ops.clip(distances, 0, 29))
        weights = ops.where(distances >= 0, weights, 0.0)[:, None]
        heard = [ops.concatenate(both, axis=2) for both in zip(old, new, strict=True)]
        total = ops.sum((heard[0] + heard[1]) * weights, axis=(1, 2, 3))
        return ops.take(self.table, ops.cast(ops.mod(total, rows), "int32"), axis=0), new


def scripted_model(table: np.ndarray) -> keras.Model:
    """Make a model that follows a script."""
    return Scripted(table)


def num_steps(model: Any) -> int:
    """How often a scripted model's step was called, or traced."""
    return model.num_steps


def search_in_graph(
    model: Any, primers: np.ndarray, options: dict[str, Any], submission: Any
) -> Any:
    """Search in a compiled function, as the lab's experiment does."""

    def search(primers: Any) -> Any:
        return submission.beam_search(model, primers, **options)

    return compiled(search, model)(primers)


# Task 6.16: functions that cannot cross

STATISTICS = {
    "mean": np.mean,
    "largest": np.max,
    "distance": lambda drawn: abs(drawn.mean() - 0.5),
    "difference": lambda drawn: abs(drawn[:, 0].mean()) - abs(drawn[:, 1].mean()),
    "pieces": len,
}


def bounds(values: np.ndarray, statistic: str, options: dict[str, Any], submission: Any) -> Any:
    """Do `bootstrap` with a statistic of this name."""
    return submission.bootstrap(values, STATISTICS[statistic], **options)
