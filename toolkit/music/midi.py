"""MIDI files to notes and back, by note-seq's contract.

`read_midi` and `write_midi` are note-seq. `read_notes` is the fast way in for thousands of files:
it returns the very notes and pedal events that note-seq would, as arrays.
"""

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import EtudeError
from toolkit.music import midi_reader
from toolkit.paths import shown

if TYPE_CHECKING:
    from note_seq import NoteSequence

# note-seq's reader keeps the time of every tick in memory, 32 bytes each while it fills the table.
# Piano transcriptions of an hour at 10,000 ticks a second stay below; a corrupt file does not.
LAST_TICK = 50_000_000

DTYPES = {
    "pitch": np.dtype(np.uint8),
    "velocity": np.dtype(np.uint8),
    "start": np.dtype(np.float64),
    "end": np.dtype(np.float64),
    "instrument": np.dtype(np.uint16),
    "program": np.dtype(np.uint8),
    "is_drum": np.dtype(np.bool_),
    "pedal_time": np.dtype(np.float64),
    "pedal_value": np.dtype(np.uint8),
    "pedal_instrument": np.dtype(np.uint16),
}

_PROBLEMS = {
    midi_reader.TRUNCATED: "it is truncated",
    midi_reader.NO_TRACK: "there is no track where one should start",
    midi_reader.EMPTY_TRACK: "it has an empty track",
    midi_reader.MALFORMED: "a track is malformed",
}


@dataclass(frozen=True)
class Notes:
    """The notes of one piece and its sustain pedal, as parallel arrays.

    Attributes
    ----------
    pitch, velocity, program : uint8 arrays (notes,)
        MIDI numbers, 0 to 127.
    start, end : float64 arrays (notes,)
        Seconds.
    instrument : uint16 array (notes,)
        Which of the piece's instruments plays, from 0.
    is_drum : bool array (notes,)
    pedal_time : float64 array (pedals,)
        Seconds.
    pedal_value : uint8 array (pedals,)
        Control 64: down from 64 on.
    pedal_instrument : uint16 array (pedals,)
    """

    pitch: np.ndarray
    velocity: np.ndarray
    start: np.ndarray
    end: np.ndarray
    instrument: np.ndarray
    program: np.ndarray
    is_drum: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray
    pedal_instrument: np.ndarray

    def __post_init__(self) -> None:
        # compiled code indexes these without looking
        for name, dtype in DTYPES.items():
            array = getattr(self, name)
            size = len(self.pedal_time if name.startswith("pedal_") else self.pitch)
            if array.dtype != dtype or array.shape != (size,):
                raise ValueError(f"{name} is {array.dtype} {array.shape}, not {dtype} ({size},)")

    def __len__(self) -> int:
        return len(self.pitch)


def read_midi(path: Path | str) -> "NoteSequence":
    """Read a MIDI file as note-seq does.

    Raises
    ------
    EtudeError
        If the file cannot be read, is not MIDI, is broken, or holds no notes.
    """
    path = Path(path)
    data = _read_bytes(path)
    _scan(path, data)
    return _read_slowly(path, data)


def read_notes(path: Path | str) -> Notes:
    """Read a MIDI file's notes and pedal events, in about a millisecond.

    They are those of `note_seq.midi_file_to_note_sequence`: same numbers, same times to the last
    bit, same order.

    Raises
    ------
    EtudeError
        As `read_midi`.
    """
    path = Path(path)
    data = _read_bytes(path)
    resolution, problem, ticks, messages, tracks, tempi = _scan(path, data)
    if problem == midi_reader.ODD:
        return sequence_to_notes(_read_slowly(path, data))
    note, pedal, instruments = midi_reader.pair_notes(ticks, messages, tracks)
    if not len(note):
        raise _bad(path, "it holds no notes")
    if len(instruments) > 1 << 16:
        raise _bad(path, f"it has {len(instruments):,} instruments")
    if len(instruments) > 1:
        note = note[np.argsort(note[:, 4], kind="stable")]
    owner, pedal = _share_pedals(pedal, instruments)
    spans = midi_reader.tempo_map(tempi, resolution)
    instrument = note[:, 4]
    return Notes(
        pitch=note[:, 2].astype(np.uint8),
        velocity=note[:, 3].astype(np.uint8),
        start=midi_reader.to_seconds(note[:, 0], *spans),
        end=midi_reader.to_seconds(note[:, 1], *spans),
        instrument=instrument.astype(np.uint16),
        program=instruments[:, 0].astype(np.uint8)[instrument],
        is_drum=(instruments[:, 1] == midi_reader.DRUM_CHANNEL)[instrument],
        pedal_time=midi_reader.to_seconds(pedal[:, 0], *spans),
        pedal_value=pedal[:, 1].astype(np.uint8),
        pedal_instrument=owner.astype(np.uint16),
    )


def write_midi(sequence: "NoteSequence", path: Path | str) -> None:
    """Write a NoteSequence as a MIDI file, whole or not at all."""
    import_note_seq()
    from note_seq import midi_io

    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        midi_io.note_sequence_to_pretty_midi(sequence).write(str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sequence_to_notes(sequence: "NoteSequence") -> Notes:
    """Turn a NoteSequence's notes and pedal events into arrays, in the same order.

    Raises
    ------
    EtudeError
        If a pitch, velocity, program or instrument is out of range, or a time is negative, not
        finite, or a note ends before it starts.
    """
    notes = sequence.notes
    pedals = [
        change
        for change in sequence.control_changes
        if change.control_number == midi_reader.SUSTAIN_PEDAL
    ]
    arrays = Notes(
        pitch=_numbers("pitch", [note.pitch for note in notes], 127),
        velocity=_numbers("velocity", [note.velocity for note in notes], 127, smallest=1),
        start=np.array([note.start_time for note in notes], np.float64),
        end=np.array([note.end_time for note in notes], np.float64),
        instrument=_numbers("instrument", [note.instrument for note in notes], 65535),
        program=_numbers("program", [note.program for note in notes], 127),
        is_drum=np.array([note.is_drum for note in notes], bool),
        pedal_time=np.array([change.time for change in pedals], np.float64),
        pedal_value=_numbers("pedal value", [change.control_value for change in pedals], 127),
        pedal_instrument=_numbers("instrument", [change.instrument for change in pedals], 65535),
    )
    first_times = np.concatenate([arrays.start, arrays.pedal_time])
    if not (np.all(first_times >= 0) and np.all(arrays.end >= arrays.start)):
        raise EtudeError(
            "A note or pedal event has a negative time, or a note ends before it starts: "
            "times are seconds from the start of the piece."
        )
    if not (np.all(np.isfinite(first_times)) and np.all(np.isfinite(arrays.end))):
        raise EtudeError("A note or pedal event has an infinite time: times are finite seconds.")
    return arrays


def import_note_seq():
    """Import note-seq only when needed (it takes a second), without its warning about ffmpeg."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import note_seq
    return note_seq


def _numbers(name: str, values: list[int], largest: int, smallest: int = 0) -> np.ndarray:
    """Turn MIDI numbers into the smallest type of array that holds them."""
    wrong = [value for value in values if not smallest <= value <= largest]
    if wrong:
        raise EtudeError(
            f"There is a {name} of {wrong[0]}: it must be from {smallest} to {largest}."
        )
    return np.array(values, np.uint8 if largest < 256 else np.uint16)


def _bad(path: Path, reason: str) -> EtudeError:
    return EtudeError(f"{shown(path)} cannot be used, {reason}: choose another MIDI file.")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad(path, f"it cannot be read ({error.strerror})") from None


def _scan(path: Path, data: bytes) -> tuple:
    """Parse a file into channel messages, or raise EtudeError for what is wrong with it."""
    if not data:
        raise _bad(path, "it is empty")
    if data[:4] != b"MThd":
        raise _bad(path, "it is not a MIDI file")
    if len(data) < 14:
        raise _bad(path, "it is truncated")
    size, _, num_tracks, resolution = struct.unpack(">Lhhh", data[4:14])
    if size < 6 or num_tracks < 1:
        raise _bad(path, "its header is malformed")
    if resolution < 1:
        raise _bad(path, "its time is in SMPTE frames or undefined, not in ticks a quarter note")
    problem, longest, *rest = midi_reader.scan(
        np.frombuffer(data, np.uint8), min(8 + size, len(data)), num_tracks
    )
    if problem in _PROBLEMS:
        raise _bad(path, _PROBLEMS[problem])
    if longest > LAST_TICK:
        raise _bad(path, "it is too long to be music, so likely corrupt")
    return resolution, problem, *rest


def _read_slowly(path: Path, data: bytes) -> "NoteSequence":
    import_note_seq()
    from note_seq import midi_io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pretty_midi's, about tempo events it leaves out
            sequence = midi_io.midi_to_note_sequence(data)
    except midi_io.MIDIConversionError as error:
        raise _bad(path, f"note-seq does not accept it ({error})") from None
    if not sequence.notes:
        raise _bad(path, "it holds no notes")
    return sequence


def _share_pedals(pedal: np.ndarray, instruments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give every instrument the pedal events of its list: their owners, and the events."""
    if len(instruments) == 1:
        mine = pedal[pedal[:, 2] == instruments[0, 2]]
        return np.zeros(len(mine), np.int64), mine
    pedal = pedal[np.argsort(pedal[:, 2], kind="stable")]
    first = np.searchsorted(pedal[:, 2], instruments[:, 2], side="left")
    count = np.searchsorted(pedal[:, 2], instruments[:, 2], side="right") - first
    owner = np.repeat(np.arange(len(instruments)), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return owner, pedal[first[owner] + place]
