"""Pieces that the model plays: primers, generation, files, measures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labs.lab4_performances.data import DRUMS
from labs.lab4_performances.learning import write_on
from labs.lab4_performances.measures import Measures, SeenRuns, columns, measure
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.music.midi import import_note_seq, read_midi, write_midi
from toolkit.music.sound import render_wav
from toolkit.report.plots import plot_piano_roll
from toolkit.report.report import Picture, Sample
from toolkit.training.runs import Run

if TYPE_CHECKING:
    from note_seq import NoteSequence

SEEN_PIECES = 200  # of the training pieces, that copying is measured against


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
    measures: list[Measures]
    seam: float | None = None


def cut_primer(tasks: Any, sequence: "NoteSequence", seconds: float, most: int) -> np.ndarray:
    """Spell the beginning of a piece as a primer: START and events, int32.

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


def play_on(
    tasks: Any, model: Any, settings: Any, name: str, primer: np.ndarray, samples: int, seen: Any
) -> Kind:
    """Generate `samples` pieces from one primer (only START: from nothing) in one batch."""
    pieces = write_on(tasks, model, settings, primer, samples)
    sequences = [to_sequence(tasks, ids, settings.data) for ids in pieces]
    measured = [
        measure(sequence, seen, bool(tasks.END in ids))
        for ids, sequence in zip(pieces, sequences, strict=True)
    ]
    seam = None
    if len(primer) > 1:
        seam = duration(tasks, primer)
    return Kind(name, pieces, sequences, measured, seam)


def duration(tasks: Any, ids: np.ndarray) -> float:
    """Seconds that pass in a row of events."""
    shifts = ids[(ids >= tasks.TIME_SHIFT) & (ids < tasks.VELOCITY)]
    return float((shifts - tasks.TIME_SHIFT + 1).sum()) / tasks.STEPS_PER_SECOND


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


def real_pieces(tasks: Any, split: Split, settings: Any, seen: SeenRuns) -> Kind:
    """Cut excerpts from validation pieces, as long as generated ones, to measure beside them."""
    chosen = np.random.default_rng(settings.seed).permutation(len(split))[: settings.compared]
    ids = [split.piece(int(index))[: settings.max_events] for index in chosen]
    sequences = [to_sequence(tasks, piece, settings.data) for piece in ids]
    ends = [len(split.piece(int(index))) < settings.max_events for index in chosen]
    measured = [measure(sequence, seen, end) for sequence, end in zip(sequences, ends, strict=True)]
    return Kind("real pieces", ids, sequences, measured)


def training_runs(tasks: Any, split: Split, settings: Any) -> SeenRuns:
    """Collect the runs of notes of training pieces."""
    chosen = np.random.default_rng(settings.seed).permutation(len(split))[:SEEN_PIECES]
    pieces = (split.piece(int(index)) for index in chosen)
    return SeenRuns([columns(tasks.decode_performance(piece))[0] for piece in pieces])


def write_samples(run: Run, settings: Any, kinds: Sequence[Kind], folder: str) -> list[Sample]:
    """Write every piece as MIDI, piano roll, and WAV by each instrument."""
    given = settings.instrument or ("drums" if settings.data in DRUMS else "acoustic grand piano")
    instruments = [name.strip() for name in given.split(",")]
    samples = []
    # the synthesizer is a process of its own, so threads are enough to keep all cores busy
    with ThreadPoolExecutor(available_cores()) as pool:
        for kind in kinds:
            for number, sequence in enumerate(kind.sequences, 1):
                name = f"{kind.name} {number}"
                stem = f"{folder}/{name.replace(' ', '-')}"
                midi, roll = run.path(f"{stem}.mid"), run.path(f"{stem}.png")
                if sequence.notes:
                    write_midi(sequence, midi)
                    plot_piano_roll(sequence, roll, name, seam=kind.seam)
                picture: Picture | None = Picture(roll, f"piano roll of {name}")
                for instrument in instruments:
                    wav = run.path(f"{stem}-{instrument.replace(' ', '-')}.wav")
                    if sequence.notes:
                        pool.submit(_render, sequence, wav, instrument, settings.soundfont)
                    heard = f"{name}, {instrument}" if len(instruments) > 1 else name
                    measures = kind.measures[number - 1].row()
                    samples.append(Sample(heard, kind.name, measures, midi, wav, picture))
                    picture = None  # the roll once
    return samples


def _render(sequence: "NoteSequence", wav: Path, instrument: str, soundfont: str | None) -> None:
    """Render a WAV; a piece that cannot be rendered is named and costs nothing else."""
    try:
        render_wav(sequence, wav, instrument, soundfont)
    except EtudeError as error:
        console.warn(f"no sound for {wav.stem}: {error}")
