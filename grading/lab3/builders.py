"""What the worker builds or reads for Lab 3's checks; copied there alone."""

from fractions import Fraction
from typing import Any

import keras
import music21
import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import Calls, counted, logits_model
from grading.sandbox.worker.fixtures import loss_gradient as loss_gradient
from grading.sandbox.worker.fixtures import loss_step as loss_step
from grading.sandbox.worker.fixtures import num_calls as num_calls
from grading.sandbox.worker.fixtures import sample_with_generator as sample_with_generator


def chorale(name: str, first: int, last: int, semitones: int = 0) -> music21.stream.Score:
    """Measures of a score in music21's corpus, "bach/bwv66.6", transposed."""
    score: Any = music21.corpus.parse(name, forceSource=True)
    excerpt = score.measures(first, last)
    excerpt = excerpt.transpose(semitones) if semitones else excerpt
    for number, player in enumerate(excerpt.recurse().getElementsByClass("Instrument"), 1):
        player.instrumentId = f"I{number}"  # music21 draws one: each time another question
    return excerpt


def read_score(text: str) -> list[tuple[str, str, list[int]]] | None:
    """Read a score's MusicXML as `score_events` does; None if music21 cannot."""
    try:
        score: Any = music21.converter.parseData(text, format="musicxml")
        return score_events(score)
    except Exception:
        return None


def score_events(score: music21.stream.Score) -> list[tuple[str, str, list[int]]]:
    """Give (onset, length, pitches) of all that sounds, in order; fractions as text.

    A note that was written as several tied ones, because it did not fit its measure, is one.
    """
    events: list[tuple[str, str, list[int]]] = []
    for part in score.parts:
        for sound in part.stripTies().flatten().notes:
            pitches = sorted(pitch.midi for pitch in sound.pitches)
            onset, length = Fraction(sound.offset), Fraction(sound.quarterLength)
            events.append((str(onset), str(length), pitches))
    return events


def num_parts(score: music21.stream.Score) -> int:
    """How many parts a score has."""
    return len(score.parts)


# Lab 3's models, tasks 3.5 to 3.9


class Script(keras.layers.Layer):
    """The stepper's rule in one layer: (one id, h_0, c_0, …) to [logits, h_0', c_0', …]."""

    def __init__(self, table: np.ndarray, units: int, num_layers: int):
        super().__init__()
        self.num_layers = num_layers
        self.rows = len(table)
        self.table = table
        self.steps = np.repeat(np.arange(1, num_layers + 1, dtype="f4"), units)

    def call(self, inputs: list[Any]) -> list[Any]:
        """Follow the rule for a batch; with NumPy, at half the time, unless it is being traced."""
        try:
            outputs = self.follow(np, *map(np.asarray, inputs))
        except (NotImplementedError, TypeError, ValueError):  # inputs without values yet
            return self.follow(ops, *inputs)
        return [ops.convert_to_tensor(output, "float32") for output in outputs]

    def compute_output_shape(self, shapes: list[tuple]) -> list[tuple]:
        """Spare Keras the tracing by which it would find out."""
        (batch, _), *states = shapes
        return [(batch, self.table.shape[1]), *states]

    def follow(self, xp: Any, one_id: Any, *states: Any) -> list[Any]:
        """The rule, in NumPy or Keras's ops."""
        number = xp.array(one_id, "float32")
        h, c = (xp.concatenate(states[kind::2], axis=-1) for kind in (0, 1))
        # number first: on TensorFlow ops.add((n, n), (n, 1)) adds a row, not a column (Keras 3.15)
        new_h = xp.mod(number + (self.steps + (3 * h + c)), self.rows)
        new_c = xp.mod(self.steps + c, self.rows)
        row = xp.mod(xp.sum(new_h, axis=-1), self.rows)
        logits = xp.take(self.table, xp.array(row, "int32"), axis=0)
        new = [xp.split(state, self.num_layers, axis=-1) for state in (new_h, new_c)]
        return [logits, *(state for pair in zip(*new, strict=True) for state in pair)]


def scripted_stepper(table: np.ndarray, units: int, num_layers: int, calls: Calls) -> keras.Model:
    """Make a stepper whose logits are a row of `table`; which row depends on all ids so far.

    Its inputs and outputs are those of `build_note_lstm`'s stepper. Each h counts, modulo the
    number of rows, h' = 3 h + c + id + i + 1; each c counts steps; the sum of all h' names the row.
    An id fed twice or left out, a state forgotten or in another's place leads to other rows.
    """
    states = [keras.Input((units,)) for _ in range(2 * num_layers)]
    inputs = [keras.Input((1,), dtype="int32"), *states]
    return counted(inputs, Script(table, units, num_layers)(inputs), calls)


def no_loss(targets: Any, logits: Any) -> Any:
    """Nothing, for a model of which only a metric is wanted."""
    return 0 * ops.sum(logits)


def accuracy_metric(targets: np.ndarray, logits: np.ndarray, submission: Any) -> float:
    """Let Keras compute `masked_accuracy` of one batch as a metric."""
    model, inputs = logits_model(logits)
    model.compile(loss=no_loss, metrics=[submission.masked_accuracy], jit_compile=False)
    return float(model.test_on_batch(inputs, targets, return_dict=True)["masked_accuracy"])
