"""Performances to measure: what was generated, and real excerpts of the same length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labs.lab4_performances.data import DRUMS
from labs.lab4_performances.primers import duration
from toolkit.data.corpus import Split
from toolkit.music.copying import SeenRuns
from toolkit.music.measures import (
    Measures,
    note_columns,
    onset_gaps,
    pitch_class_entropy,
    sounding,
)

if TYPE_CHECKING:
    from note_seq import NoteSequence

NGRAM = 8  # notes
SEEN_PIECES = 200  # of the training pieces, that copying is measured against


@dataclass(frozen=True)
class PerformanceMeasures(Measures):
    """Measures of one performance, or their means over several.

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


def measure(sequence: "NoteSequence", seen: SeenRuns, ends: bool) -> PerformanceMeasures:
    """Measure one piece; one without notes measures 0 throughout.

    `seen` holds the training pieces as distances between pitches (`training_runs`).
    """
    pitch, velocity, start, end = note_columns(sequence)
    if not len(pitch):
        return PerformanceMeasures(0, 0, 0, 0, 0, 0, 0, 0, 0, float(ends))
    gaps = onset_gaps(start)
    return PerformanceMeasures(
        notes=len(pitch),
        seconds=float(end.max()),
        density=float(len(pitch) / end.max()),
        entropy=pitch_class_entropy(pitch),
        velocity=float(velocity.mean()),
        spread=float(velocity.std()),
        gap=float(np.median(gaps)) if len(gaps) else 0.0,
        polyphony=float(sounding(start, end).mean()),
        copied=seen.share(np.diff(pitch), NGRAM - 1),
        ends=float(ends),
    )


def training_runs(tasks: Any, split: Split, settings: Any) -> SeenRuns:
    """Collect the runs of notes of training pieces."""
    chosen = np.random.default_rng(settings.seed).permutation(len(split))[:SEEN_PIECES]
    pieces = (split.piece(int(index)) for index in chosen)
    sequences = [tasks.decode_performance(piece) for piece in pieces]
    return SeenRuns([np.diff(note_columns(sequence)[0]) for sequence in sequences])


@dataclass(frozen=True)
class Kind:
    """Pieces of one kind: how they begin, their ids with the primer's, and their notes.

    Attributes
    ----------
    seam : seconds at which the primer is over, None without one
    """

    name: str
    ids: list[np.ndarray]
    sequences: list["NoteSequence"]
    measures: list[PerformanceMeasures]
    seam: float | None = None


def generated_pieces(
    tasks: Any,
    name: str,
    data: str,
    primer: np.ndarray,
    pieces: Sequence[np.ndarray],
    seen: SeenRuns,
) -> Kind:
    """Decode and measure pieces that were generated from one primer (only START: from nothing)."""
    sequences = [to_sequence(tasks, ids, data) for ids in pieces]
    measured = [
        measure(sequence, seen, bool(tasks.END in ids))
        for ids, sequence in zip(pieces, sequences, strict=True)
    ]
    seam = duration(tasks, primer) if len(primer) > 1 else None
    return Kind(name, list(pieces), sequences, measured, seam)


def real_pieces(tasks: Any, split: Split, settings: Any, seen: SeenRuns) -> Kind:
    """Cut excerpts from validation pieces, as long as generated ones, to measure beside them."""
    chosen = np.random.default_rng(settings.seed).permutation(len(split))[: settings.compared]
    ids = [split.piece(int(index))[: settings.max_events] for index in chosen]
    sequences = [to_sequence(tasks, piece, settings.data) for piece in ids]
    ends = [len(split.piece(int(index))) < settings.max_events for index in chosen]
    measured = [measure(sequence, seen, end) for sequence, end in zip(sequences, ends, strict=True)]
    return Kind("real pieces", ids, sequences, measured)


def to_sequence(tasks: Any, ids: np.ndarray, data: str) -> "NoteSequence":
    """Decode a piece as it can be played; drum pieces' notes are marked as such."""
    sequence = one_note_a_key(tasks.decode_performance(ids))
    for note in sequence.notes:
        note.is_drum = data in DRUMS
    return sequence


def one_note_a_key(sequence: "NoteSequence") -> "NoteSequence":
    """Play each pitch with one key, in place: struck again it ends its note, once up it is up.

    A key that is down cannot be struck, and a MIDI file cannot say that it was. A model forgets:
    of its notes one in ten begins while its pitch still sounds, of real ones one in a hundred.
    Left as they are, each release would end the note before, and a pitch never falls silent. Of
    two notes struck at once one is kept.
    """
    sounding: dict[int, Any] = {}
    struck_twice = []
    for note in sorted(sequence.notes, key=lambda note: (note.start_time, note.end_time)):
        before = sounding.get(note.pitch)
        if before is not None and before.end_time > note.start_time:
            # the first release after both strikes is the key's
            note.end_time, before.end_time = before.end_time, note.start_time
            if before.start_time == note.start_time:
                struck_twice.append(before)
        sounding[note.pitch] = note
    for note in struck_twice:
        sequence.notes.remove(note)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)
    return sequence
