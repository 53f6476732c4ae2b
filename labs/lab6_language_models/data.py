"""The data sets of Lab 6 as corpora of ids: the pieces and splits of Lab 5, without chords.

The processes that prepare them import this module, and neither Keras nor TensorFlow.
"""

import numpy as np

from toolkit.data.corpus import ID, Split
from toolkit.data.preparation import Piece, Preparation, open_splits, prepare
from toolkit.music import grid, piece
from toolkit.music.pieces import (
    SOURCES,
    piece_corpus,
    piece_preparation,
    piece_splits,
    unpack_piece,
)

# whether notes have velocities: a score's have none
VELOCITIES = {"chorales": False, "pop1k7": True, "maestro": True}
DATA_SETS = tuple(VELOCITIES)
# what `make data` prepares
PREPARATIONS = {name: piece_preparation(name) for name in ("pop1k7", "maestro")}


def load_splits(data: str, max_pieces: int | None = None) -> dict[str, Split]:
    """Open a data set as ids, each piece with END, after preparing it if that has not been done.

    Parameters
    ----------
    data : one of `DATA_SETS`
    max_pieces : training pieces to use at most, and an eighth as many of the others

    Raises
    ------
    EtudeError
        If the data set is not here, or a split has no pieces.
    """
    pieces = piece_corpus(data)
    splits = piece_splits(data, pieces)
    return open_splits(
        prepare(
            Preparation(
                f"{data}-as-notes-in-bars",
                SOURCES[data].title,
                f"REMI without chords and tempi, velocities: {VELOCITIES[data]}",
                lambda: [
                    # a child gets the piece itself
                    Piece(pieces[index].tobytes(), name, splits[index])
                    for index, name in enumerate(pieces.names)
                ],
                encode_played if VELOCITIES[data] else encode_score,
                (grid, piece, pieces.header["made_by"]),
            )
        ),
        max_pieces,
    )


def encode_score(packed: bytes) -> np.ndarray:
    """Encode a piece of a corpus without velocities."""
    return grid.encode(grid.to_grid(unpack_piece(np.frombuffer(packed, ID))), velocities=False)


def encode_played(packed: bytes) -> np.ndarray:
    """Encode a piece of a corpus with velocities."""
    return grid.encode(grid.to_grid(unpack_piece(np.frombuffer(packed, ID))), velocities=True)
