"""What the worker builds or reads for Lab 3's checks; copied there alone."""

from fractions import Fraction
from typing import Any

import keras
import music21
import numpy as np
from keras import ops

from grading.worker.fixtures import counted, gradient_by_logits, logits_model
from grading.worker.fixtures import num_calls as num_calls
from grading.worker.fixtures import sample_with_generator as sample_with_generator


def chorale(name: str, first: int, last: int, semitones: int = 0) -> music21.stream.Score:
    """Measures of a score in music21's corpus, "bach/bwv66.6", transposed."""
    score: Any = music21.corpus.parse(name, forceSource=True)
    excerpt = score.measures(first, last)
    return excerpt.transpose(semitones) if semitones else excerpt


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


def scripted_stepper(table: np.ndarray, units: int, num_layers: int) -> keras.Model:
    """Make a stepper whose logits are a row of `table`; which row depends on all ids so far.

    Its inputs and outputs are those of `build_note_lstm`'s stepper. Each h counts, modulo the
    number of rows, h' = 3 h + c + id + i + 1; each c counts steps; the sum of all h' names the row.
    An id fed twice or left out, a state forgotten or in another's place leads to other rows.
    """
    rows, vocab_size = table.shape
    one_id = keras.Input((1,), dtype="int32")
    old_states, new_states = [], []
    number = ops.cast(one_id, "float32")
    total = ops.zeros_like(number)
    for i in range(num_layers):
        h, c = keras.Input((units,)), keras.Input((units,))
        # number first: on TensorFlow ops.add((n, n), (n, 1)) adds a row, not a column (Keras 3.15)
        new_h = ops.mod(number + (i + 1) + (3 * h + c), rows)
        total = total + ops.sum(new_h, axis=-1, keepdims=True)
        old_states += [h, c]
        new_states += [new_h, ops.mod(c + i + 1, rows)]
    lookup = keras.layers.Embedding(rows, vocab_size, weights=[table])
    logits = lookup(ops.cast(ops.mod(total, rows), "int32"))[:, 0]
    return counted([one_id, *old_states], [logits, *new_states])


def loss_gradient(targets: np.ndarray, logits: np.ndarray, submission: Any) -> np.ndarray:
    """Differentiate `masked_cross_entropy` by the logits."""
    return gradient_by_logits(submission.masked_cross_entropy, targets, logits)


def no_loss(targets: Any, logits: Any) -> Any:
    """Nothing, for a model of which only a metric is wanted."""
    return 0 * ops.sum(logits)


def accuracy_metric(targets: np.ndarray, logits: np.ndarray, submission: Any) -> float:
    """Let Keras compute `masked_accuracy` of one batch as a metric."""
    model, inputs = logits_model(logits)
    model.compile(loss=no_loss, metrics=[submission.masked_accuracy], jit_compile=False)
    return float(model.test_on_batch(inputs, targets, return_dict=True)["masked_accuracy"])
