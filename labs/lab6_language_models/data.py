"""The data sets of Lab 6 as corpora of ids: the pieces and splits of Lab 5, without chords.

The processes that prepare them import this module, and neither Keras nor TensorFlow.
"""

from functools import partial

import numpy as np

from toolkit.data.corpus import Corpus, Split
from toolkit.data.preparation import Piece, Preparation, open_splits, prepare
from toolkit.music import grid, piece
from toolkit.music.pieces import SOURCES, piece_corpus, piece_splits, unpack_piece

# whether notes have velocities: a score's have none
VELOCITIES = {"chorales": False, "pop1k7": True, "maestro": True}
DATA_SETS = tuple(VELOCITIES)
# what `make data` prepares
PREPARATIONS = {name: partial(piece_corpus, name) for name in ("pop1k7", "maestro")}


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
                    Piece(index, name, split)
                    for index, (name, split) in enumerate(zip(pieces.names, splits, strict=True))
                ],
                _encode,
                (grid, piece, pieces.header["made_by"]),
                initializer=_start,
                initargs=(data,),
            )
        ),
        max_pieces,
    )


def _start(data: str) -> None:
    global _pieces, _velocities
    _pieces, _velocities = piece_corpus(data), VELOCITIES[data]


def _encode(index: int) -> np.ndarray:
    return grid.encode(grid.to_grid(unpack_piece(_pieces[index])), _velocities)


_pieces: Corpus
_velocities: bool
