"""The data sets of Lab 5 in REMI and in compound words: the same pieces, the same splits.

The processes that prepare them import this module, and neither Keras nor TensorFlow.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.corpus import Corpus, Split
from toolkit.data.preparation import Piece as Item
from toolkit.data.preparation import Preparation, open_splits, prepare
from toolkit.music import piece, remi
from toolkit.music.piece import Piece
from toolkit.music.pieces import (
    SOURCES,
    piece_corpus,
    piece_preparation,
    piece_splits,
    unpack_piece,
)
from toolkit.music.remi import (
    AUTHORS,
    BEFORE_COMPOUND,
    COMPOUND,
    FIELDS,
    SCORE,
    Spelling,
    transposed_ids,
)

# the authors' words of a whole piece: what starts on its last bar line stays
WHOLE = Spelling("whole", clamped="last")
# the spelling of REMI, and that which compound words are made of
SPELLINGS = {
    "chorales": (SCORE, WHOLE),
    "pop1k7": (AUTHORS, BEFORE_COMPOUND),
    "maestro": (WHOLE, WHOLE),
}
DATA_SETS = tuple(SPELLINGS)
# what `make data` prepares before there is a student's code
PREPARATIONS = {name: piece_preparation(name) for name in ("pop1k7", "maestro")}


@dataclass(frozen=True)
class Words:
    """Pieces as ids of one encoding.

    Attributes
    ----------
    name : "REMI" or "CP"
    spelling : of REMI, or of the words that compound words are made of
    splits : split -> pieces of ids (words,), or rows (rows, 7); each ends with the end's zero
    notes : split -> int array (pieces,), how many notes each has
    """

    name: str
    spelling: Spelling
    splits: dict[str, Split]
    notes: dict[str, np.ndarray]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Vocabulary sizes, of REMI one, of compound words one a field."""
        if self.name == "CP":
            return tuple(len(COMPOUND[field]) for field in FIELDS)
        return (len(self.spelling.vocabulary),)

    def decode(self, tasks: Any, ids: np.ndarray) -> tuple[Piece, int]:
        """Decode ids, or rows, to a piece; also count the words or rows that make no sense.

        Raises
        ------
        EtudeError
            If an id is outside the vocabulary.
        """
        if self.name == "REMI":
            return tasks.decode_remi(self.spelling.to_words(ids), self.spelling)
        words, broken = tasks.compound_to_remi(ids)
        found, more = tasks.decode_remi(words, self.spelling)
        return found, broken + more

    def encode(self, tasks: Any, found: Piece) -> np.ndarray:
        """Encode a piece; where it names no chords they are recognised."""
        if not found.chords:
            names = tasks.recognise_chords(found.notes)
            found = found._replace(chords=chord_changes(names))
        words = tasks.encode_remi(found, self.spelling)
        if self.name == "REMI":
            return self.spelling.to_ids(words)
        return np.asarray(tasks.remi_to_compound(words))

    def transposed(self, semitones: int) -> list[np.ndarray]:
        """Give, for each field, the id of each word moved by so many semitones.

        Chords move round the octave; a pitch that would leave 0 to 127 stays.
        """
        if self.name == "REMI":
            vocabularies = [self.spelling.vocabulary]
        else:
            vocabularies = [COMPOUND[field] for field in FIELDS]
        return [transposed_ids(vocabulary, semitones) for vocabulary in vocabularies]


def chord_changes(names: list[str]) -> tuple[tuple[int, str], ...]:
    """Give each chord the tick of the first of its beats."""
    beats = enumerate(zip(names, [None, *names], strict=False))
    return tuple(
        (beat * piece.TICKS_PER_BEAT, name) for beat, (name, before) in beats if name != before
    )


def load_words(tasks: Any, data: str, name: str, max_pieces: int | None = None) -> Words:
    """Open a data set in REMI or in CP, encoded the first time by the student's functions.

    Parameters
    ----------
    data : one of `DATA_SETS`
    name : "REMI" or "CP"
    max_pieces : training pieces to use at most, and an eighth as many of the others

    Raises
    ------
    EtudeError
        If the data set is not here, or a split has no pieces.
    """
    spelling = SPELLINGS[data][name == "CP"]
    empty = Words(name, spelling, {}, {})
    pieces = piece_corpus(data)
    splits = open_splits(_corpus(tasks, data, empty, pieces), max_pieces)
    if name == "CP":
        splits = {
            split: Split(one.tokens.reshape(-1, len(FIELDS)), one.offsets // len(FIELDS), one.names)
            for split, one in splits.items()
        }
    return Words(name, spelling, splits, {k: count_notes(empty, v) for k, v in splits.items()})


def count_notes(words: Words, split: Split) -> np.ndarray:
    """Count the notes of each piece: int array (pieces,)."""
    if words.name == "CP":
        is_note = split.tokens[:, FIELDS.index("type")] == COMPOUND["type"].index("Note")
    else:
        kinds = [kind for kind, _ in words.spelling.words.values()]
        is_note = (np.array(kinds) == "pitch")[split.tokens]
    before = np.concatenate([[0], np.cumsum(is_note)])
    return np.diff(before[split.offsets])


def _corpus(tasks: Any, data: str, words: Words, pieces: Corpus) -> Corpus:
    splits = piece_splits(data, pieces)
    return prepare(
        Preparation(
            f"{data}-{words.name}-{words.spelling.name}",
            f"{SOURCES[data].title}: {words.name}",
            f"{words.name}, spelling {words.spelling.name}; 0 is the end",
            lambda: [
                # a child gets the piece itself
                Item(pieces[index].tobytes(), name, splits[index])
                for index, name in enumerate(pieces.names)
            ],
            _encode,
            (
                *(tasks.recognise_chords, tasks.encode_remi, tasks.remi_to_compound),
                *(Path(__file__), piece, remi, pieces.header["made_by"]),
            ),
            initializer=_start,
            initargs=(tasks, words),
        )
    )


_tasks: Any
_words: Words


def _start(tasks: Any, words: Words) -> None:
    global _tasks, _words
    _tasks, _words = tasks, words


def _encode(packed: bytes) -> np.ndarray:
    found = unpack_piece(np.frombuffer(packed, np.uint16))
    return _words.encode(_tasks, found).reshape(-1)
