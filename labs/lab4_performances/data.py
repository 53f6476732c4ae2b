"""The data sets of Lab 4 as corpora of event ids.

The processes that prepare them import this module, and neither Keras nor TensorFlow.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labs.lab4_performances import drums, keyboard
from toolkit.data.corpus import Split
from toolkit.data.datasets import groove_table, maestro_table
from toolkit.data.preparation import Piece, Preparation, open_splits, prepare, recorded
from toolkit.music import midi, midi_reader, performance
from toolkit.music.midi import read_notes, sequence_to_notes
from toolkit.music.performance import encode_performance
from toolkit.music.sound import TD11_TO_GENERAL_MIDI

SPECIALS = 3  # PAD, START and END come before note-seq's events
DRUMS = ("drums", "groove")


def load_splits(data: str, max_pieces: int | None = None) -> dict[str, Split]:
    """Open a data set as ids, after preparing it if that has not been done.

    Parameters
    ----------
    data : one of `DATA_SETS`
    max_pieces : training pieces to use at most, and an eighth as many of the others

    Raises
    ------
    EtudeError
        If the data set is not here, or a split has no pieces.
    """
    return open_splits(prepare(PREPARATIONS[data]), max_pieces)


# Preparation


def encode_score(name: str) -> np.ndarray | None:
    """Play a score of the corpus and encode it; None if it is none of the set."""
    sequence = keyboard.perform_piece(name)
    return None if sequence is None else _encode(sequence_to_notes(sequence))


def encode_drums(name: str) -> np.ndarray:
    """Drum a piece by rule and encode it."""
    return _encode(sequence_to_notes(drums.perform_piece(name)))


def encode_recording(path: Path) -> np.ndarray:
    """Read a MIDI file and encode it."""
    return _encode(read_notes(path))


def encode_kit(path: Path) -> np.ndarray:
    """Read a drum recording and encode it, its pitches mapped from a Roland TD-11's."""
    notes = read_notes(path)
    pitches = [TD11_TO_GENERAL_MIDI.get(pitch, pitch) for pitch in notes.pitch.tolist()]
    return _encode(replace(notes, pitch=np.array(pitches, np.uint8)))


def _encode(notes: midi.Notes) -> np.ndarray:
    return encode_performance(notes) + SPECIALS


def _by_rule(module: Any) -> list[Piece]:
    names = sorted(module.piece_names())
    return [Piece(name, name, module.piece_split(name)) for name in names]


def _preparation(name: str, source: str, pieces: Any, encode: Any, *makers: Any) -> Preparation:
    return Preparation(
        name=f"{name}-as-events",
        source=source,
        encoding="note-seq's performance events, 10 ms, 32 velocities, + 3: PAD START END",
        pieces=pieces,
        encode=encode,
        makers=(performance, midi, midi_reader, *makers),
    )


PREPARATIONS = {
    "keyboard": _preparation(
        "keyboard",
        "music21's corpus at the keyboard",
        lambda: _by_rule(keyboard),
        encode_score,
        keyboard,
    ),
    "drums": _preparation(
        "drums", "drumming by rule", lambda: _by_rule(drums), encode_drums, drums
    ),
    "maestro": _preparation(
        "maestro", "MAESTRO v3.0.0", lambda: recorded(maestro_table()), encode_recording
    ),
    "groove": _preparation("groove", "Groove v1.0.0", lambda: recorded(groove_table()), encode_kit),
}
DATA_SETS = tuple(PREPARATIONS)
