"""Pieces that the network generates: by argmax and at each temperature, measured, with sound."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from labs.lab3_notes.data import Pieces
from labs.lab3_notes.measure import TokenMeasures, measure, relative
from toolkit.music.copying import SeenRuns
from toolkit.music.midi import import_note_seq
from toolkit.report.report import Sample
from toolkit.report.samples import Generated, write_samples
from toolkit.training.fit import PAD
from toolkit.training.runs import Run

VELOCITY = 80
# Logits of this many windows are enough to tell accuracies apart.
WINDOWS = 64


@dataclass(frozen=True)
class Kind:
    """Pieces of one kind, such as those drawn at one temperature, and their mean measures.

    Attributes
    ----------
    name : "argmax", "temperature 0.8", "real music"
    accuracy : share of the validation tokens that the network guesses right by sampling that way,
        on average; None for real music
    """

    name: str
    accuracy: float | None
    measures: TokenMeasures
    samples: list[Sample]

    def row(self) -> dict[str, Any]:
        """Column by column, as a table shows it."""
        return {"pieces": self.name, "accuracy": self.accuracy, **self.measures.row()}


def generate_pieces(
    tasks: Any,
    settings: Any,
    run: Run,
    model: keras.Model,
    stepper: keras.Model,
    pieces: Pieces,
    validation: tuple[np.ndarray, np.ndarray],
) -> list[Kind]:
    """Generate by argmax and at each temperature; write each piece as MIDI, WAV and piano roll.

    The last kind is real music, the validation pieces, measured in the same way.
    """
    seen = SeenRuns([relative(pieces.tokens(ids)) for ids in pieces.ids["train"]])
    primers = choose_primers(tasks.START, settings, pieces)
    logits = model.predict_on_batch(validation[0][:WINDOWS])
    targets = validation[1][:WINDOWS]
    kinds = []
    for temperature in (0.0, *settings.temperatures):
        name = f"temperature {temperature:g}" if temperature else "argmax"
        rows = tasks.generate(
            stepper, primers, settings.max_length, temperature, seed=settings.seed
        )
        texts = [pieces.tokens(ids) for ids in rows]
        measured = [measure(text, seen) for text in texts]
        made = [
            Generated(
                f"{name}, piece {number}",
                name,
                to_sequence(tasks.tokens_to_score(text), settings.tempo),
                own.row(),
            )
            for number, (text, own) in enumerate(zip(texts, measured, strict=True), 1)
        ]
        samples = write_samples(run, made, settings.instrument, settings.soundfont, "quarter notes")
        accuracy = expected_accuracy(logits, targets, temperature)
        kinds.append(Kind(name, accuracy, TokenMeasures.mean(measured), samples))
    real = [measure([*pieces.tokens(ids), "END"], seen) for ids in pieces.ids["validation"]]
    return [*kinds, Kind("real music", None, TokenMeasures.mean(real), [])]


def choose_primers(start: int, settings: Any, pieces: Pieces) -> np.ndarray:
    """Take the beginnings of different test pieces: int32 (samples, primer_length)."""
    length = settings.primer_length - 1
    long_enough = [ids for ids in pieces.ids["test"] if len(ids) >= length]
    order = np.random.default_rng(settings.seed).permutation(len(long_enough))
    chosen = np.resize(order, settings.samples)
    return np.array([[start, *long_enough[index][:length]] for index in chosen], np.int32)


def expected_accuracy(logits: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    """Share of the targets that sampling at a temperature guesses right, on average."""
    real = targets != PAD
    if temperature == 0:
        return float((logits.argmax(axis=-1) == targets)[real].mean())
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    chosen = np.take_along_axis(weights, targets[..., None], axis=-1)[..., 0]
    return float((chosen / weights.sum(axis=-1))[real].mean())


def to_sequence(score: Any, tempo: float) -> Any:
    """Turn a music21 score into a NoteSequence at `tempo` quarter notes a minute."""
    sequence = import_note_seq().NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=tempo)
    seconds = 60 / tempo
    for element in score.flatten().notes:
        start = float(element.offset) * seconds
        end = start + float(element.quarterLength) * seconds
        for pitch in element.pitches:
            sequence.notes.add(pitch=pitch.midi, velocity=VELOCITY, start_time=start, end_time=end)
        sequence.total_time = max(sequence.total_time, end)
    return sequence
