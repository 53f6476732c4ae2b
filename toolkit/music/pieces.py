"""Data sets in beats, as corpora of `Piece`s: Bach's chorales in 4/4, Pop1K7, MAESTRO.

No split separates near-copies: pieces that share a run of `RUN` notes, in whatever key, are in one
split. MAESTRO has splits of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import corpus, datasets
from toolkit.data.corpus import Corpus
from toolkit.data.grouping import connected, split_groups
from toolkit.data.preparation import Piece as Item
from toolkit.data.preparation import Preparation, prepare, recorded
from toolkit.music import chorales, midi, piece
from toolkit.music.chorales import score_names
from toolkit.music.copying import ngram_hashes
from toolkit.music.midi import import_note_seq, read_notes
from toolkit.music.piece import CHORDS, TICKS_PER_BEAT, Piece, read_piece

if TYPE_CHECKING:
    from note_seq import NoteSequence

# Notes. Of 16 notes, four chords, many are cadences: such runs join half of the chorales.
RUN = 20
PLAYED_AT = 90.0  # beats a minute, where a piece says nothing
VELOCITY = 64  # of scores
SLICE_TEMPO = 120.0  # beats a minute that a recording without beats is cut by
# what stands in the place of a pitch where a row is none of a note
TEMPO, CHORD = -1, -2


@dataclass(frozen=True)
class Source:
    """A data set: what it is called, its files, and what packs one (None: it is none of the set).

    Attributes
    ----------
    grouped : whether its splits are made here; otherwise they are the data set's own
    """

    title: str
    items: Callable[[], list[Item]]
    pack: Callable[[Any], np.ndarray | None]
    grouped: bool = True


def read_score(name: str) -> Piece | None:
    """Read a score by Bach from music21's corpus; None if it is not in 4/4 throughout.

    Bars begin at multiples of 1,920 ticks: a pickup stands at the end of the first one. Repeats
    are not written out; all notes have one velocity, and there is no tempo.
    """
    score = chorales.load_score(name)
    metres = {metre.ratioString for metre in score.recurse().getElementsByClass("TimeSignature")}
    if metres != {"4/4"}:
        return None
    pickup = score.parts[0].getElementsByClass("Measure")[0].paddingLeft
    rows = [
        (float(note.offset + pickup), float(note.offset + pickup + note.quarterLength), pitch.midi)
        for note in score.stripTies().flatten().notes
        for pitch in note.pitches
        if note.quarterLength > 0  # neither a grace note nor a chord symbol
    ]
    # two voices on one key are one note, as long as the longer
    longest = {(start, pitch): end for start, end, pitch in sorted(rows)}
    start, pitch = np.array([*longest]).T
    end = np.array([*longest.values()])
    ticks = np.round(np.stack([start, end], 1) * TICKS_PER_BEAT).astype(np.int64)
    return Piece(np.column_stack([ticks, pitch.astype(int), np.full(len(pitch), VELOCITY)]))


def read_recording(path: Path) -> Piece:
    """Read a recording that has no beats, cut at `SLICE_TEMPO`: a bar is two seconds.

    Notes last as long as their keys are down. The one tempo is that of the slices.
    """
    notes = read_notes(path)
    heard = ~notes.is_drum
    ticks = np.round(np.stack([notes.start, notes.end], 1) * SLICE_TEMPO / 60 * TICKS_PER_BEAT)
    rows = np.column_stack([ticks.astype(np.int64), notes.pitch, notes.velocity])[heard]
    return Piece(rows, np.array([[0.0, SLICE_TEMPO]]))


def pack_piece(found: Piece | None) -> np.ndarray | None:
    """Turn a piece into the uint16 ids of a corpus: its int32 rows, two ids a number."""
    if found is None:
        return None
    tempi = [(tick, round(6e7 / bpm), TEMPO, 0) for tick, bpm in found.tempi.tolist()]
    chords = [(tick, CHORDS.index(name), CHORD, 0) for tick, name in found.chords]
    rows = np.concatenate([found.notes, np.array([*tempi, *chords]).reshape(-1, 4)])
    return rows.astype("<i4").reshape(-1).view("<u2")


def unpack_piece(ids: np.ndarray) -> Piece:
    """Turn a corpus's ids back into the piece."""
    rows = np.ascontiguousarray(ids).view("<i4").reshape(-1, 4)
    tempi, chords = rows[rows[:, 2] == TEMPO], rows[rows[:, 2] == CHORD]
    return Piece(
        rows[rows[:, 2] >= 0].astype(np.int64),
        np.column_stack([tempi[:, 0], 6e7 / np.maximum(tempi[:, 1], 1)]),
        tuple((int(tick), CHORDS[chord]) for tick, chord, _, _ in chords),
    )


def pack_score(name: str) -> np.ndarray | None:
    """Read a score by Bach as ids."""
    return pack_piece(read_score(name))


def pack_song(path: Path) -> np.ndarray | None:
    """Read a song of Pop1K7 as ids."""
    return pack_piece(read_piece(path))


def pack_recording(path: Path) -> np.ndarray | None:
    """Read a recording without beats as ids."""
    return pack_piece(read_recording(path))


def pop_songs() -> list[Item]:
    """List Pop1K7's songs that are here; a name holds the folder of its source."""
    folder = datasets.dataset_folder("pop1k7") / "midi_analyzed"
    paths = sorted(folder.glob("*/*.mid"), key=lambda path: (path.parent.name, int(path.stem)))
    return [Item(path, f"{path.parent.name}/{path.stem}", "train") for path in paths]


SOURCES = {
    "chorales": Source(
        "Bach's chorales in 4/4, from music21's corpus",
        lambda: [Item(name, name, "train") for name in score_names()],
        pack_score,
    ),
    "pop1k7": Source("Pop1K7", pop_songs, pack_song),
    "maestro": Source(
        "MAESTRO v3.0.0, sliced at 120 beats a minute",
        lambda: recorded(datasets.maestro_table()),
        pack_recording,
        grouped=False,
    ),
}
MAKERS = (piece, midi, chorales, corpus)


def piece_preparation(data: str) -> Preparation:
    """How a data set's pieces are read."""
    source = SOURCES[data]
    return Preparation(
        f"{data}-pieces",
        source.title,
        "rows of four int32: start, end, pitch, velocity (ticks, 480 a beat); tempi, chords",
        source.items,
        source.pack,
        MAKERS,
    )


def piece_corpus(data: str) -> Corpus:
    """Open a data set's pieces, read the first time: `unpack_piece` gives each.

    Raises
    ------
    EtudeError
        If the data set is not here.
    """
    return prepare(piece_preparation(data))


def piece_splits(data: str, pieces: Corpus) -> list[str]:
    """Say in which split each of a data set's pieces is."""
    if not SOURCES[data].grouped:
        return pieces.header["split"]
    runs = [shared_runs(unpack_piece(pieces[index])) for index in range(len(pieces))]
    names = pieces.names
    strata = [name.rpartition("/")[0] for name in names]
    return split_groups(names, connected(runs), strata)


def shared_runs(found: Piece) -> np.ndarray:
    """Hash a piece's runs of `RUN` notes, whatever their key: uint64."""
    return ngram_hashes(note_codes(found), RUN - 1)


def note_codes(found: Piece) -> np.ndarray:
    """Number each note's distance from the note before, in steps and semitones: int64 (notes - 1,).

    Notes come by step, those of one step from the highest down.
    """
    steps, pitches = np.round(found.notes[:, 0] / (TICKS_PER_BEAT / 4)), found.notes[:, 2]
    order = np.lexsort([-pitches, steps])
    return np.diff(steps[order]).astype(np.int64) * 256 + np.diff(pitches[order]) + 128


def to_sequence(found: Piece) -> "NoteSequence":
    """Turn a piece in beats into a NoteSequence, its notes in their order."""
    sequence = import_note_seq().NoteSequence(ticks_per_quarter=TICKS_PER_BEAT)
    changes = _tempo_changes(found)
    for time, (_, bpm) in zip(seconds_at(found, changes[:, 0]).tolist(), changes, strict=True):
        sequence.tempos.add(time=time, qpm=bpm)
    times = seconds_at(found, found.notes[:, :2]).tolist()
    for (begin, end), (pitch, velocity) in zip(times, found.notes[:, 2:].tolist(), strict=True):
        sequence.notes.add(pitch=pitch, velocity=velocity, start_time=begin, end_time=end)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)
    return sequence


def seconds_at(found: Piece, tick: np.ndarray) -> np.ndarray:
    """Say when ticks of a piece are, in seconds."""
    ticks, tempi = _tempo_changes(found).T
    before = np.cumsum([0.0, *(np.diff(ticks) * 60 / (tempi[:-1] * TICKS_PER_BEAT))])
    place = np.searchsorted(ticks, tick, side="right") - 1
    return before[place] + (tick - ticks[place]) * 60 / (tempi[place] * TICKS_PER_BEAT)


def _tempo_changes(found: Piece) -> np.ndarray:
    """Rows of tick and beats a minute, from tick 0 on."""
    begin = [] if len(found.tempi) and found.tempi[0, 0] <= 0 else [[0.0, PLAYED_AT]]
    return np.array([*begin, *found.tempi.tolist()])
