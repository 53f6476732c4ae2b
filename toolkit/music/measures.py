"""What can be measured of pieces, generated or real: harmony, velocity, rhythm, polyphony."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from note_seq import NoteSequence

BINS = {
    "pitch class": np.arange(13) - 0.5,
    "velocity": np.arange(0, 129, 8),
    "inter-onset interval (s, log₁₀)": np.linspace(-2, 1, 25),
    "notes sounding at an onset": np.arange(0, 14) - 0.5,
}
AT_ONCE = 0.005  # seconds between two onsets that count as one


@dataclass(frozen=True)
class Measures:
    """Numbers about one piece, or their means over several; a lab's class says which."""

    def row(self) -> dict[str, float]:
        """Name the measures as tables do."""
        return {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def mean(cls, pieces: Sequence[Self]) -> Self:
        """Average the measures of several pieces, each piece counting the same."""
        return cls(*np.mean([list(piece.row().values()) for piece in pieces], axis=0).tolist())


def pitch_class_entropy(pitches: np.ndarray) -> float:
    """Entropy in bits of the pitch classes, −Σ p log₂ p: 2.81 for an even scale, 3.58 for all."""
    counts = np.bincount(np.asarray(pitches, int) % 12, minlength=12)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())


def note_columns(sequence: "NoteSequence") -> tuple[np.ndarray, ...]:
    """Pitch, velocity, start and end (seconds) of the notes, by start and pitch: (notes,) each."""
    notes = sorted(sequence.notes, key=lambda note: (note.start_time, note.pitch))
    return (
        np.array([note.pitch for note in notes], int),
        np.array([note.velocity for note in notes], int),
        np.array([note.start_time for note in notes]),
        np.array([note.end_time for note in notes]),
    )


def sounding(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How many notes sound at each start, those that begin there included; starts are in order."""
    begun = np.searchsorted(start, start, side="right")
    return begun - np.searchsorted(np.sort(end), start, side="right")


def onset_gaps(start: np.ndarray) -> np.ndarray:
    """Times between onsets that are not at once, in seconds; starts are in order."""
    gaps = np.diff(start)
    return gaps[gaps > AT_ONCE]


def distributions(sequences: Sequence["NoteSequence"]) -> dict[str, np.ndarray]:
    """Shares in the bins of `BINS` over all notes of several pieces."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in BINS}
    for sequence in sequences:
        pitch, velocity, start, end = note_columns(sequence)
        values = (
            pitch % 12,
            velocity,
            np.log10(np.clip(onset_gaps(start), 0.0101, 9.9)),
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
