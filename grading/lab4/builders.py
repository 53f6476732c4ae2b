"""What the worker builds or runs for Lab 4's checks; copied there alone.

A NoteSequence crosses as arrays: notes (n, 7) of pitch, velocity, start, end, instrument, program
and whether it is a drum's; pedals (m, 4) of time, controller, value and instrument.
"""

from typing import Any

import keras
import note_seq
import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import descend as descend
from grading.sandbox.worker.fixtures import do as do
from grading.sandbox.worker.fixtures import half_precision, step_by_logits, tensors
from grading.sandbox.worker.fixtures import keras_used as keras_used
from grading.sandbox.worker.fixtures import loss_gradient as loss_gradient
from toolkit.training.runtime import compiled

# Tasks 4.1 to 4.3: music


def sequence_of(notes: np.ndarray, pedals: np.ndarray) -> note_seq.NoteSequence:
    """Make a NoteSequence of arrays."""
    sequence = note_seq.NoteSequence()
    for pitch, velocity, start, end, instrument, program, is_drum in notes.tolist():
        sequence.notes.add(
            pitch=int(pitch),
            velocity=int(velocity),
            start_time=start,
            end_time=end,
            instrument=int(instrument),
            program=int(program),
            is_drum=bool(is_drum),
        )
    for time, number, value, instrument in pedals.tolist():
        sequence.control_changes.add(
            time=time,
            control_number=int(number),
            control_value=int(value),
            instrument=int(instrument),
        )
    sequence.total_time = max([0.0, *notes[:, 3].tolist()])
    return sequence


def notes_of(sequence: note_seq.NoteSequence) -> np.ndarray:
    """Give a NoteSequence's notes as an array, in its order."""
    rows = [
        (
            note.pitch,
            note.velocity,
            note.start_time,
            note.end_time,
            note.instrument,
            note.program,
            note.is_drum,
        )
        for note in sequence.notes
    ]
    return np.array(rows, "f8").reshape(-1, 7)


def sustained(notes: np.ndarray, pedals: np.ndarray, submission: Any) -> tuple[np.ndarray, bool]:
    """Do `apply_sustain`: the notes, and whether the argument is as it was."""
    sequence = sequence_of(notes, pedals)
    result = submission.apply_sustain(sequence)
    return notes_of(result), sequence == sequence_of(notes, pedals)


def encoded(notes: np.ndarray, pedals: np.ndarray, submission: Any) -> tuple[Any, bool]:
    """Do `encode_performance`: the ids, and whether the argument is as it was."""
    sequence = sequence_of(notes, pedals)
    result = submission.encode_performance(sequence)
    return result, sequence == sequence_of(notes, pedals)


def decoded(ids: Any, submission: Any) -> tuple[np.ndarray, float]:
    """Do `decode_performance`: the notes and the total time."""
    result = submission.decode_performance(ids)
    return notes_of(result), float(result.total_time)


def sustained_by_note_seq(notes: np.ndarray, pedals: np.ndarray) -> np.ndarray:
    """Let note-seq apply the pedal; the notes."""
    return notes_of(note_seq.apply_sustain_control_changes(sequence_of(notes, pedals)))


def encoded_by_note_seq(notes: np.ndarray, pedals: np.ndarray) -> np.ndarray:
    """Let note-seq apply the pedal, quantize, and encode; its ids and three."""
    sequence = note_seq.apply_sustain_control_changes(sequence_of(notes, pedals))
    steps = note_seq.quantize_note_sequence_absolute(sequence, 100)
    encoding = note_seq.PerformanceOneHotEncoding(num_velocity_bins=32)
    events = note_seq.Performance(steps, num_velocity_bins=32)
    return np.array([3 + encoding.encode_event(event) for event in events], "i4")


# Tasks 4.5 to 4.9: crops, the cache


def batches(
    tokens: np.ndarray,
    offsets: np.ndarray,
    length: int,
    batch_size: int,
    seed: int,
    count: int,
    submission: Any,
) -> list[Any]:
    """Take some batches of `make_batches`."""
    made = submission.make_batches(tokens, offsets, length, batch_size, seed)
    return [next(made) for _ in range(count)]


def batch_of_a_long_piece(size: int, length: int, seed: int, submission: Any) -> Any:
    """Take a batch of one piece that is too long for any memory: all its tokens are 5."""
    tokens = np.broadcast_to(np.uint16(5), (size,))
    return next(submission.make_batches(tokens, np.array([0, size]), length, 4, seed))


def cache(window: int, method: str, *args: Any, submission: Any) -> Any:
    """Do a method of a `KeyValueCache`."""
    return getattr(submission.KeyValueCache(window), method)(*map(tensors, args))


# Tasks 4.10 to 4.14: layers and the model


def masked_call(layer: Any, x: np.ndarray, mask: np.ndarray) -> Any:
    """Call a layer with a mask."""
    return layer(ops.convert_to_tensor(x), mask=ops.convert_to_tensor(mask))


def in_half_precision(
    layer: str, sizes: list, x: np.ndarray, method: str, submission: Any, scale: float = 1.0
) -> Any:
    """Construct a layer where all layers compute in float16, and do a method; weights times scale.

    float16 arrays come back as they are.
    """
    with half_precision():
        made = getattr(submission, layer)(*sizes)
        made(tensors(x))
        for weight in made.weights:
            weight.assign(weight * scale)
        return do(made, method, x)


# Tasks 4.15 to 4.17


def losses_of_fit(model: Any, ids: np.ndarray, targets: np.ndarray, steps: int) -> list[float]:
    """Losses of steps as `fit` takes them, which change no weight."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
    return [float(model.train_on_batch(ids, targets)) for _ in range(steps)]


def rates(peak: float, warmup: int, steps: list[int], submission: Any) -> list[Any]:
    """Ask a `WarmupSchedule` for its rates: steps as Python's ints, then as tensors."""
    schedule = submission.WarmupSchedule(peak, warmup)
    given = [*steps, *(ops.convert_to_tensor(step, "int32") for step in steps)]
    return [schedule(step) for step in given]


def rate_in_training(peak: float, warmup: int, steps: int, submission: Any) -> list[Any]:
    """Take steps of descent with slope 1 as `fit` does, compiled: how far each goes."""
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    optimizer = keras.optimizers.SGD(submission.WarmupSchedule(peak, warmup))
    model.compile(optimizer, loss=lambda _, output: ops.mean(output), jit_compile=False)
    places = [0.0]
    for _ in range(steps):
        model.train_on_batch(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        places.append(float(ops.convert_to_numpy(weight.kernel)[0, 0]))
    return (-np.diff(places)).tolist()


def loss_step(
    targets: np.ndarray, logits: np.ndarray, loss: str, smoothing: float, submission: Any
) -> np.ndarray:
    """Let Keras train logits with a task, a loss of integer targets: the gradient."""

    def smoothed(targets: Any, logits: Any) -> Any:
        return getattr(submission, loss)(ops.cast(targets, "int32"), logits, smoothing)

    return step_by_logits(smoothed, targets, logits)


# Task 4.20: a script in the place of the model's computation


def scripted_music(table: np.ndarray, window: int, submission: Any) -> keras.Model:
    """Make a `MusicTransformer` that follows the script of grading/lab4/pieces.py.

    Keys and values of its two blocks, two heads of two numbers each, hold an event's id, each
    number in its own way: what is moved to another place, or taken from one, leads to another row
    of the table.
    """
    rows, vocab_size = table.shape
    factors = np.arange(1, 17, dtype="f4").reshape(4, 1, 2, 1, 2)  # part, (batch), head, (at), dim
    powers = 3 ** np.arange(window) % rows  # by distance

    class Scripted(submission.MusicTransformer):  # type: ignore[misc, name-defined]
        """The real one's blocks, embedding and window, but other read and step."""

        num_steps = 0

        def parts(self, ids: Any) -> list[Any]:
            """Write ids (batch, length) as keys and values."""
            values = ops.cast(ids, "float32")[:, None, :, None]
            return [values * factor for factor in factors]

        def read(self, ids: Any) -> list[Any]:
            """Keys and values of a primer."""
            return self.parts(ids)

        def step(self, ids: Any, slot: Any, old: Any, new: Any) -> tuple[Any, list[Any]]:
            """Logits by what the cache holds, and by how long ago it was."""
            self.num_steps += 1
            size, slots = old[0].shape[2], new[0].shape[2]
            here = ops.equal(ops.arange(slots), slot)[:, None]
            own = self.parts(ids)
            new = [ops.where(here, one, part) for one, part in zip(own, new, strict=True)]
            distances = size + slot - ops.arange(size + slots)
            seen = ops.logical_and(distances >= 0, distances < window)
            weights = ops.take(powers.astype("f4"), ops.clip(distances, 0, window - 1))
            weights = ops.where(seen, weights, 0.0)
            total = ops.cast(ops.zeros_like(ids[:, 0]), "float32")
            for factor, *both in zip(factors, old, new, strict=True):
                heard = ops.concatenate(both, axis=2) * factor
                found = ops.sum(heard, axis=(1, 3)) * weights
                total = ops.mod(total + ops.sum(ops.mod(found, rows), axis=1), rows)
            return ops.take(table, ops.cast(total, "int32"), axis=0), new

    model = Scripted(vocab_size, 4, 2, 4, 2, 3, window)
    model.build((None, None))
    return model


def num_steps(model: Any) -> int:
    """How often a scripted model's step was called, or traced."""
    return model.num_steps


def generate_in_graph(
    model: Any, primers: np.ndarray, noise: np.ndarray, options: dict[str, Any], submission: Any
) -> Any:
    """Generate in a compiled function, as the lab's experiment does."""

    def generate(primers: Any, noise: Any) -> Any:
        return submission.generate(model, primers, noise, **options)

    return compiled(generate, model)(primers, noise)
