"""A piece in beats: notes, tempi and chords by ticks, as beat-aligned MIDI files hold them."""

from collections import defaultdict, deque
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.errors import EtudeError
from toolkit.paths import shown

TICKS_PER_BEAT = 480
LAST_TICK = (1 << 28) - 1  # the longest wait that four bytes hold: days
DRUM_CHANNEL = 9
UNREADABLE = (OSError, EOFError, ValueError, IndexError, KeyError, TypeError)
ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
QUALITIES = ("M", "m", "o", "+", "7", "M7", "m7", "o7", "/o7", "sus2", "sus4")
NO_CHORD = "N_N"
CHORDS = (NO_CHORD, *(f"{root}_{quality}" for root in ROOTS for quality in QUALITIES))


class Piece(NamedTuple):
    """A piece in 4/4; times are ticks, 480 a beat.

    Attributes
    ----------
    notes : int array (notes, 4)
        Rows of start, end, pitch and velocity; in any order.
    tempi : float array (tempi, 2)
        Rows of tick and beats a minute, by time.
    chords : tuple of (int, str)
        Tick and one of `CHORDS`, by time.
    """

    notes: np.ndarray
    tempi: np.ndarray = np.zeros((0, 2))
    chords: tuple[tuple[int, str], ...] = ()


def read_piece(path: Path | str) -> Piece:
    """Read a MIDI file's notes, tempi and chord markers.

    A note-off ends the longest sounding note of its channel and pitch; drums are left out. A marker
    of the first track names a chord by root, quality and bass (`A_M7_C#`), of which the bass is
    dropped, or none (`N_N_N`); markers that begin with `global` or `Boundary` name no chord.

    Raises
    ------
    EtudeError
        If the file cannot be read, holds no notes, has no beats or another metre than 4/4, a tempo
        of 0, something after `LAST_TICK`, or a marker that names no chord.
    """
    import mido

    path = Path(path)
    try:
        file = mido.MidiFile(path)
    except (*UNREADABLE, mido.KeySignatureError) as error:
        raise _bad(path, f"it cannot be read ({str(error) or 'it is truncated'})") from None
    if not 0 < file.ticks_per_beat < 1 << 15:
        raise _bad(path, "it has no beats: its time is in SMPTE frames, not in ticks a beat")
    scale = TICKS_PER_BEAT / file.ticks_per_beat
    notes, tempi, chords = [], [], []
    for number, track in enumerate(file.tracks):
        tick = 0
        sounding: dict[tuple[int, int], deque] = defaultdict(deque)
        for message in track:
            tick += message.time
            if tick > LAST_TICK:
                raise _bad(path, f"it has something after tick {LAST_TICK:,}, days from its start")
            if message.type in ("note_on", "note_off") and message.channel != DRUM_CHANNEL:
                queue = sounding[message.channel, message.note]
                if message.type == "note_on" and message.velocity:
                    queue.append((tick, message.velocity))
                elif queue:
                    start, velocity = queue.popleft()
                    notes.append((start * scale, tick * scale, message.note, velocity))
            elif message.type == "time_signature":
                if (message.numerator, message.denominator) != (4, 4):
                    metre = f"{message.numerator}/{message.denominator}"
                    raise _bad(path, f"it is in {metre}, and only bars of 4/4 can be encoded")
            elif message.type == "set_tempo":
                if not message.tempo:
                    raise _bad(path, "it has a tempo of 0 microseconds a beat")
                tempi.append((tick * scale, 6e7 / message.tempo))
            elif (
                message.type == "marker"
                and number == 0
                and not message.text.startswith(("global", "Boundary"))
            ):
                chords.append((round(tick * scale), _chord(path, message.text)))
    if not notes:
        raise _bad(path, "it holds no notes")
    return Piece(np.round(notes).astype(np.int64), np.array(tempi).reshape(-1, 2), tuple(chords))


def _chord(path: Path, text: str) -> str:
    name = text.rpartition("_")[0]
    if name not in CHORDS:
        raise _bad(
            path,
            f"its marker {text[:40]!r} names no chord, which is written as root, quality and bass "
            "(A_M7_C#), or as N_N_N",
        )
    return name


def _bad(path: Path, reason: str) -> EtudeError:
    return EtudeError(f"{shown(path)} cannot be used, {reason}: choose another MIDI file.")
