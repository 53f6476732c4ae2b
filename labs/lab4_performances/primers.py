"""What a continuation begins with: the beginning of a MIDI file or of a test piece, as events."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labs.lab4_performances.data import DRUMS
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music.midi import import_note_seq, read_midi

if TYPE_CHECKING:
    from note_seq import NoteSequence


def cut_primer(tasks: Any, sequence: "NoteSequence", seconds: float, most: int) -> np.ndarray:
    """Encode the beginning of a piece as a primer: START and events, int32.

    Parameters
    ----------
    seconds : how much of it, from its first note
    most : events at most; what is over is cut off at the front, where it is longest ago

    Raises
    ------
    EtudeError
        If nothing is played in that time.
    """
    events = np.zeros(0, np.int32)
    if sequence.notes:
        begin = min(note.start_time for note in sequence.notes)
        end = min(begin + seconds, sequence.total_time)
        part = import_note_seq().extract_subsequence(sequence, begin, end)
        events = np.asarray(tasks.encode_performance(part), np.int32)
    if not len(events):
        raise EtudeError(f"the primer has no notes in its first {seconds:g} seconds")
    if len(events) >= most:
        console.warn(f"the primer has {len(events):,} events: its last {most - 1:,} are used")
        events = events[-(most - 1) :]
    return np.concatenate([[tasks.START], events]).astype(np.int32)


def read_primer(path: str | Path, data: str) -> "NoteSequence":
    """Read a primer's MIDI file; of a piece for other instruments the fitting notes are kept.

    Raises
    ------
    EtudeError
        If it cannot be read, or has no notes for a piano (or for a drum kit).
    """
    sequence = read_midi(path)
    wants_drums = data in DRUMS
    fitting = [note for note in sequence.notes if note.is_drum == wants_drums]
    left_out = len(sequence.notes) - len(fitting)
    if not fitting:
        kind, other = ("drum", "pitched") if wants_drums else ("pitched", "drum")
        raise EtudeError(
            f"{path}: it has {left_out} {other} notes and no {kind} ones, and this model plays "
            f"{'drums' if wants_drums else 'the piano'}: give another primer"
        )
    if left_out:
        console.warn(f"{path}: {left_out} {'pitched' if wants_drums else 'drum'} notes left out")
    instruments = len({note.instrument for note in fitting})
    if instruments > 1:
        console.say(f"{path}: {instruments} instruments are played as one")
    kept = [type(note).FromString(note.SerializeToString()) for note in fitting]
    del sequence.notes[:]
    sequence.notes.extend(kept)
    return sequence


def library_primer(tasks: Any, split: Split, settings: Any, most: int) -> np.ndarray:
    """Cut a primer from a test piece that the seed chooses."""
    index = int(np.random.default_rng(settings.seed).integers(len(split)))
    sequence = tasks.decode_performance(split.piece(index))
    return cut_primer(tasks, sequence, settings.primer_seconds, most)


def duration(tasks: Any, ids: np.ndarray) -> float:
    """Seconds that pass in a row of events."""
    shifts = ids[(ids >= tasks.TIME_SHIFT) & (ids < tasks.VELOCITY)]
    return float((shifts - tasks.TIME_SHIFT + 1).sum()) / tasks.STEPS_PER_SECOND
