"""What a worker does with one MIDI file that was handed in; copied there alone."""

from pathlib import Path

import numpy as np

from toolkit.errors import EtudeError
from toolkit.music.piece import read_piece

FILE = Path("piece.mid")
TRACKS = 100


def read(content: np.ndarray) -> np.ndarray:
    """Read a file of these bytes.

    Returns
    -------
    int64 array (notes, 4): start and end in ticks, 480 a beat, pitch, velocity

    Raises
    ------
    EtudeError
        If it cannot be read, has no notes, another metre than 4/4, or more than `TRACKS` tracks.
    """
    # what the header claims is how many a reader looks for
    head = content[:12].tobytes()
    if head[:4] == b"MThd" and (tracks := int.from_bytes(head[10:], "big")) > TRACKS:
        raise EtudeError(
            f"{FILE} cannot be used, it has {tracks:,} tracks, and a piece may have {TRACKS}: "
            "choose another MIDI file."
        )
    FILE.write_bytes(content.tobytes())
    return read_piece(FILE).notes
