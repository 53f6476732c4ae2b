"""What the worker builds or reads for Lab 3's checks; copied there alone."""

from fractions import Fraction
from typing import Any

import keras
import music21
import numpy as np
from keras import ops


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


class CountedModel(keras.Model):
    """A functional model that counts how often it is called, for as many rows as may be."""

    num_calls = 0

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the functional model."""
        self.num_calls += 1
        return super().call(*args, **kwargs)


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
        new_h = ops.mod(3 * h + c + number + i + 1, rows)
        total = total + ops.sum(new_h, axis=-1, keepdims=True)
        old_states += [h, c]
        new_states += [new_h, ops.mod(c + i + 1, rows)]
    lookup = keras.layers.Embedding(rows, vocab_size, weights=[table])
    logits = lookup(ops.cast(ops.mod(total, rows), "int32"))[:, 0]
    stepper = CountedModel([one_id, *old_states], [logits, *new_states])
    stepper.compile(run_eagerly=True)  # every call counts, and none has to be traced first
    stepper.num_calls = 0
    return stepper


def num_calls(stepper: CountedModel) -> int:
    """How often a scripted stepper has been called."""
    return stepper.num_calls


def logits_model(logits: np.ndarray) -> tuple[keras.Model, np.ndarray]:
    """Make a model whose only weights are its logits, and its inputs."""
    batch = len(logits)
    rows = keras.layers.Embedding(batch, logits[0].size, weights=[logits.reshape(batch, -1)])
    model = keras.Sequential([keras.Input((), dtype="int32"), rows])
    model.add(keras.layers.Reshape(logits.shape[1:]))
    return model, np.arange(batch)


def loss_gradient(targets: np.ndarray, logits: np.ndarray, submission: Any) -> np.ndarray:
    """Differentiate `masked_cross_entropy` by the logits as Keras does: one step of descent."""
    model, inputs = logits_model(logits)
    optimizer = keras.optimizers.SGD(1.0)
    model.compile(optimizer, loss=submission.masked_cross_entropy, jit_compile=False)
    model.train_on_batch(inputs, targets)
    return logits - model.get_weights()[0].reshape(logits.shape)


def no_loss(targets: Any, logits: Any) -> Any:
    """Nothing, for a model of which only a metric is wanted."""
    return 0 * ops.sum(logits)


def accuracy_metric(targets: np.ndarray, logits: np.ndarray, submission: Any) -> float:
    """Let Keras compute `masked_accuracy` of one batch as a metric."""
    model, inputs = logits_model(logits)
    model.compile(loss=no_loss, metrics=[submission.masked_accuracy], jit_compile=False)
    return float(model.test_on_batch(inputs, targets, return_dict=True)["masked_accuracy"])


def sample_with_generator(
    logits: np.ndarray, seed: int, num_calls: int, submission: Any
) -> list[np.ndarray]:
    """Draw some times with one generator."""
    generator = np.random.default_rng(seed)
    return [submission.sample_next(logits, seed=generator) for _ in range(num_calls)]
