"""The two data sets of Lab 3 as pieces of ids in the student's vocabulary."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from labs.lab3_notes import note_grid
from toolkit.data.datasets import maestro_table
from toolkit.data.preparation import (
    SPLITS,
    Piece,
    Preparation,
    limited,
    open_splits,
    prepare,
    recorded,
)
from toolkit.errors import EtudeError
from toolkit.music import chorales, midi
from toolkit.music.chorales import load_chorale, score_names, split_of

DATA_SETS = ("chorales", "maestro")


@dataclass(frozen=True)
class Pieces:
    """A data set, split by piece.

    Attributes
    ----------
    vocabulary : the student's, of the training pieces in all keys
    ids : split -> pieces of ids, int32
    transposed : int32 (keys, vocab_size), the id of each token moved to each key; specials stay
    unknown : share of the validation tokens that are not in the vocabulary
    """

    vocabulary: list[str]
    ids: dict[str, list[np.ndarray]]
    transposed: np.ndarray
    unknown: float

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Decode ids."""
        return [self.vocabulary[index] for index in ids]

    def describe(self) -> str:
        """Say in one line what there is."""
        counts = ", ".join(f"{len(self.ids[split])} {split}" for split in SPLITS)
        total = sum(len(piece) for piece in self.ids["train"])
        return (
            f"pieces: {counts}; {total:,} training tokens of {len(self.vocabulary)} types; "
            f"unknown in validation {self.unknown:.2%}"
        )


def load_pieces(tasks: Any, settings: Any) -> Pieces:
    """Open a data set (made the first time) and number its tokens by the student's vocabulary.

    Raises
    ------
    EtudeError
        If the data set is not here, or a split has no pieces.
    """
    if settings.data == "chorales":
        corpus = prepare(chorales_as_notes(tasks, settings.max_pieces))
    else:
        corpus = prepare(maestro_as_notes(settings.max_pieces))
    splits = open_splits(corpus)
    pieces = {
        name: [split.piece(index) for index in range(len(split))] for name, split in splits.items()
    }
    own = corpus.header["vocabulary"]
    vocabulary = tasks.build_vocabulary(
        _in_all_keys(pieces["train"], own, settings.transpose), settings.min_count
    )
    numbers = {token: index for index, token in enumerate(vocabulary)}
    translate = np.array([numbers.get(token, tasks.UNKNOWN) for token in own], np.int32)
    ids = {split: [translate[piece] for piece in pieces[split]] for split in SPLITS}
    unknown = float(np.mean(np.concatenate(ids["validation"]) == tasks.UNKNOWN))
    moved = [
        [numbers.get(transpose_token(token, shift), tasks.UNKNOWN) for token in vocabulary]
        for shift in settings.transpose
    ]
    return Pieces(vocabulary, ids, np.array(moved, np.int32), unknown)


def transpose_token(token: str, semitones: int) -> str:
    """Move a `NOTE_p`; every other token stays."""
    return f"NOTE_{int(token[5:]) + semitones}" if token.startswith("NOTE_") else token


def _in_all_keys(
    pieces: list[np.ndarray], own: list[str], semitones: Sequence[int]
) -> Iterator[list[str]]:
    # Numbers, not pieces of text, are counted first: MAESTRO has tens of millions of tokens.
    for shift in semitones:
        names = [transpose_token(token, shift) for token in own]
        for piece in pieces:
            yield [names[index] for index in piece]


# Preparation


def chorales_as_notes(tasks: Any, max_pieces: int | None = None) -> Preparation:
    """Say how the student's `score_to_tokens` makes a corpus of Bach's chorales."""

    def pieces() -> list[Piece]:
        return limited([Piece(name, name, split_of(name)) for name in score_names()], max_pieces)

    return Preparation(
        name="chorales-as-notes",
        source="Bach's four-part chorales",
        encoding="NOTE_p …, DUR_q: chords on every onset and end, in quarter notes",
        pieces=pieces,
        encode=encode_chorale,
        makers=(chorales, tasks.score_to_tokens, version("music21")),
        initializer=_use,
        initargs=(tasks,),
    )


def maestro_as_notes(max_pieces: int | None = None) -> Preparation:
    """Say how a corpus is made of MAESTRO, on a grid of 50 ms."""
    return Preparation(
        name="maestro-as-notes",
        source="MAESTRO v3.0.0",
        encoding="NOTE_p …, DUR_q: chords on every onset and end, 50 ms is 1/10",
        pieces=lambda: limited(recorded(maestro_table()), max_pieces),
        encode=encode_recording,
        makers=(note_grid, midi),
        vocabulary=tuple(note_grid.VOCABULARY),
    )


_tasks: Any = None  # in a child process, which encodes chorales by the student's function


def _use(tasks: Any) -> None:
    global _tasks
    _tasks = tasks


def encode_chorale(name: str) -> list[str] | None:
    """Load a chorale and encode it; None if the score is not in four parts."""
    score = load_chorale(name)
    if score is None:
        return None
    try:
        tokens = _tasks.score_to_tokens(score)
    except Exception as error:
        raise EtudeError(f"score_to_tokens raised {type(error).__name__}: {error}") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise EtudeError(f"score_to_tokens returned {type(tokens).__name__}, not a list of str")
    return tokens


def encode_recording(path: Path) -> np.ndarray:
    """Read a MIDI file and encode it on the grid."""
    return note_grid.encode_notes(midi.read_notes(path))


PREPARATIONS = {"maestro": maestro_as_notes()}
