"""Pieces that the network writes: generated, measured, played and drawn."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np

from labs.lab3_notes.data import Pieces
from labs.lab3_notes.measures import Measures, SeenRuns, mean, measure
from toolkit import console
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.music.midi import import_note_seq, write_midi
from toolkit.music.sound import render_wav
from toolkit.report.plots import plot_piano_roll
from toolkit.report.report import Picture, Sample
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
    measures: Measures
    samples: list[Sample]

    def row(self) -> dict[str, Any]:
        """Column by column, as a table shows it."""
        return {"pieces": self.name, "accuracy": self.accuracy, **columns(self.measures)}


def columns(measures: Measures) -> dict[str, float]:
    """Name measures as tables do."""
    return {
        field.name.replace("_", " "): getattr(measures, field.name) for field in fields(measures)
    }


def write_pieces(
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
    seen = SeenRuns([pieces.tokens(ids) for ids in pieces.ids["train"]])
    primers = choose_primers(tasks.START, settings, pieces)
    logits = model.predict_on_batch(validation[0][:WINDOWS])
    targets = validation[1][:WINDOWS]
    kinds = []
    # the synthesizer is a process of its own, so threads are enough to keep all cores busy
    with ThreadPoolExecutor(available_cores()) as pool:
        for temperature in (0.0, *settings.temperatures):
            name = f"temperature {temperature:g}" if temperature else "argmax"
            generated = tasks.generate(
                stepper, primers, settings.max_length, temperature, seed=settings.seed
            )
            texts = [pieces.tokens(ids) for ids in generated]
            measured = [measure(text, seen) for text in texts]
            samples = []
            for number, (text, own) in enumerate(zip(texts, measured, strict=True), 1):
                piece = f"{name}, piece {number}"
                sequence = to_sequence(tasks.tokens_to_score(text), settings.tempo)
                samples.append(write_sample(settings, run, piece, sequence, own, pool))
            accuracy = expected_accuracy(logits, targets, temperature)
            kinds.append(Kind(name, accuracy, mean(measured), samples))
    real = [measure([*pieces.tokens(ids), "END"], seen) for ids in pieces.ids["validation"]]
    return [*kinds, Kind("real music", None, mean(real), [])]


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


def write_sample(
    settings: Any,
    run: Run,
    name: str,
    sequence: Any,
    measures: Measures,
    pool: ThreadPoolExecutor,
) -> Sample:
    """Write one piece's MIDI and piano roll now and its WAV in the pool; a piece may be empty."""
    stem = f"pieces/{name.replace(', ', '-').replace(' ', '-')}"
    midi, wav, roll = (run.path(f"{stem}.{kind}") for kind in ("mid", "wav", "png"))
    if sequence.notes:
        write_midi(sequence, midi)
        plot_piano_roll(sequence, roll, name, "quarter notes")
        pool.submit(play, sequence, wav, settings)
    picture = Picture(roll, f"piano roll of {name}")
    return Sample(name, name.split(",")[0], columns(measures), midi, wav, picture)


def play(sequence: Any, wav: Path, settings: Any) -> None:
    """Render a WAV; a piece that cannot be rendered is named and costs nothing else."""
    try:
        render_wav(sequence, wav, settings.instrument, settings.soundfont)
    except EtudeError as error:
        console.warn(f"no sound for {wav.stem}: {error}")
