"""What can be measured of performances, written or real: means, distributions, copying."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from toolkit.training.ngram import ngram_hashes

if TYPE_CHECKING:
    from note_seq import NoteSequence

NGRAM = 8  # notes
BINS = {
    "pitch class": np.arange(13) - 0.5,
    "velocity": np.arange(0, 129, 8),
    "inter-onset interval (s, log₁₀)": np.linspace(-2, 1, 25),
    "notes sounding at an onset": np.arange(0, 14) - 0.5,
}


@dataclass(frozen=True)
class Measures:
    """Measures of one piece, or their means over several.

    Attributes
    ----------
    notes : how many
    seconds : until the last note ends
    density : notes a second
    entropy : of the pitch classes in bits: 2.81 for an even scale, 3.58 for all twelve
    velocity, spread : mean and standard deviation of the velocities
    gap : median time between two onsets that are not at once, in seconds
    polyphony : mean number of notes that sound when one begins, that one included
    copied : share of runs of 8 notes, in whatever key, that are in the training pieces
    ends : whether the piece ends by itself
    """

    notes: float
    seconds: float
    density: float
    entropy: float
    velocity: float
    spread: float
    gap: float
    polyphony: float
    copied: float
    ends: float

    def row(self) -> dict[str, float]:
        """Name the measures as tables do."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class SeenRuns:
    """The runs of notes that are in the training pieces, in whatever key."""

    def __init__(self, pieces: Sequence[np.ndarray]):
        hashes = [ngram_hashes(np.diff(pitches), NGRAM - 1) for pitches in pieces]
        self.runs = np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)

    def share(self, pitches: np.ndarray) -> float:
        """Share of a piece's runs that are among them."""
        runs = ngram_hashes(np.diff(pitches), NGRAM - 1)
        return float(np.isin(runs, self.runs).mean()) if len(runs) else 0.0


def measure(sequence: "NoteSequence", seen: SeenRuns, ends: bool) -> Measures:
    """Measure one piece; one without notes measures 0 throughout."""
    pitch, velocity, start, end = columns(sequence)
    if not len(pitch):
        return Measures(0, 0, 0, 0, 0, 0, 0, 0, 0, float(ends))
    shares = np.bincount(pitch % 12, minlength=12) / len(pitch)
    shares = shares[shares > 0]
    gaps = np.diff(start)
    gaps = gaps[gaps > 0.005]
    return Measures(
        notes=len(pitch),
        seconds=float(end.max()),
        density=float(len(pitch) / end.max()),
        entropy=float(-(shares * np.log2(shares)).sum()),
        velocity=float(velocity.mean()),
        spread=float(velocity.std()),
        gap=float(np.median(gaps)) if len(gaps) else 0.0,
        polyphony=float(sounding(start, end).mean()),
        copied=seen.share(pitch),
        ends=float(ends),
    )


def mean(pieces: Sequence[Measures]) -> Measures:
    """Average the measures of several pieces, each piece counting the same."""
    return Measures(*np.mean([list(piece.row().values()) for piece in pieces], axis=0).tolist())


def columns(sequence: "NoteSequence") -> tuple[np.ndarray, ...]:
    """Pitch, velocity, start and end of the notes, by start and pitch."""
    notes = sorted(sequence.notes, key=lambda note: (note.start_time, note.pitch))
    return (
        np.array([note.pitch for note in notes], int),
        np.array([note.velocity for note in notes], int),
        np.array([note.start_time for note in notes]),
        np.array([note.end_time for note in notes]),
    )


def sounding(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How many notes sound at each start, those that begin there included."""
    begun = np.searchsorted(start, start, side="right")
    return begun - np.searchsorted(np.sort(end), start, side="right")


def distributions(sequences: Sequence["NoteSequence"]) -> dict[str, np.ndarray]:
    """Shares in the bins of `BINS` over all notes of several pieces."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in BINS}
    for sequence in sequences:
        pitch, velocity, start, end = columns(sequence)
        gaps = np.diff(start)
        values = (
            pitch % 12,
            velocity,
            np.log10(np.clip(gaps[gaps > 0.005], 0.0101, 9.9)),
            np.clip(sounding(start, end), 0, 13),
        )
        for name, value in zip(BINS, values, strict=True):
            found[name].append(np.histogram(value, BINS[name])[0])
    return {
        name: (total := np.sum(counts, axis=0)) / max(total.sum(), 1)
        for name, counts in found.items()
    }


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Overlapped area of two distributions over the same bins: 1 if they are the same.

    Source: Yang and Lerch, "On the evaluation of generative models in music" (2020), section 4.2.
    """
    return float(np.minimum(one, other).sum())
