"""The two data sets of Lab 3 as pieces of ids in the student's vocabulary."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labs.lab3_notes import note_grid
from toolkit.data.corpus import Corpus, fingerprint, is_stale, open_corpus, write_corpus
from toolkit.data.datasets import maestro_table
from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.music import midi
from toolkit.music.chorales import chorale_corpus, score_names, split_of
from toolkit.paths import CACHE

DATA_SETS = ("chorales", "maestro")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Pieces:
    """A data set, split by piece.

    Attributes
    ----------
    vocabulary : the student's, of the training pieces in all keys
    ids : split -> pieces of ids, int32
    names : split -> the pieces' names
    transposed : int32 (keys, vocab_size), the id of each token moved to each key; specials stay
    unknown : share of the validation tokens that are not in the vocabulary
    """

    vocabulary: list[str]
    ids: dict[str, list[np.ndarray]]
    names: dict[str, list[str]]
    transposed: np.ndarray
    unknown: float

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Spell ids."""
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
    limits = _limits(settings.max_pieces)
    corpus = {"chorales": _chorales, "maestro": _maestro}[settings.data](tasks, limits)
    spelled: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for index, split in enumerate(corpus.header["split"]):
        spelled[split].append(corpus[index])
        names[split].append(corpus.names[index])
    if missing := [split for split in SPLITS if not spelled[split]]:
        raise EtudeError(f"there are no {missing[0]} pieces: give more than max_pieces here")
    own = corpus.header["vocabulary"]
    vocabulary = tasks.build_vocabulary(
        _in_all_keys(spelled["train"], own, settings.transpose), settings.min_count
    )
    numbers = {token: index for index, token in enumerate(vocabulary)}
    translate = np.array([numbers.get(token, tasks.UNKNOWN) for token in own], np.int32)
    ids = {split: [translate[piece] for piece in spelled[split]] for split in SPLITS}
    unknown = float(np.mean(np.concatenate(ids["validation"]) == tasks.UNKNOWN))
    moved = [
        [numbers.get(transpose_token(token, shift), tasks.UNKNOWN) for token in vocabulary]
        for shift in settings.transpose
    ]
    return Pieces(vocabulary, ids, names, np.array(moved, np.int32), unknown)


def transpose_token(token: str, semitones: int) -> str:
    """Move a `NOTE_p`; every other token stays."""
    return f"NOTE_{int(token[5:]) + semitones}" if token.startswith("NOTE_") else token


def _limits(max_pieces: int | None) -> dict[str, int | None]:
    few = None if max_pieces is None else max(2, max_pieces // 8)
    return {"train": max_pieces, "validation": few, "test": few}


def _in_all_keys(
    pieces: list[np.ndarray], own: list[str], semitones: Sequence[int]
) -> Iterator[list[str]]:
    # Numbers, not spelled pieces, are counted first: MAESTRO has tens of millions of tokens.
    for shift in semitones:
        names = [transpose_token(token, shift) for token in own]
        for piece in pieces:
            yield [names[index] for index in piece]


def _chorales(tasks: Any, limits: dict[str, int | None]) -> Corpus:
    names = None
    if limits["train"] is not None:
        by_split = defaultdict(list)
        for name in score_names():
            by_split[split_of(name)].append(name)
        names = [name for split in SPLITS for name in by_split[split][: limits[split]]]
    return chorale_corpus(tasks, names)


def _maestro(tasks: Any, limits: dict[str, int | None]) -> Corpus:
    """Open MAESTRO on a 50 ms grid."""
    by_split = defaultdict(list)
    for recording in maestro_table():
        by_split[recording.split].append(recording.path)
    files = {path: split for split in SPLITS for path in sorted(by_split[split])[: limits[split]]}
    made_by = fingerprint(
        Path(note_grid.__file__), Path(midi.__file__), " ".join(path.name for path in files)
    )
    folder = CACHE / "lab3" / f"maestro-{made_by[:12]}"
    expected = {"source": "MAESTRO v3.0.0", "made_by": made_by}
    if is_stale(folder, expected):
        results, _ = map_items(spell_file, list(files), "MAESTRO on a 50 ms grid")
        pieces = {path: ids for path, ids in zip(files, results, strict=True) if ids is not None}
        header = {
            **expected,
            "encoding": "NOTE_p …, DUR_q: chords on every onset and end, 50 ms is 1/10",
            "vocabulary": note_grid.VOCABULARY,
            "names": [path.stem for path in pieces],
            "split": [files[path] for path in pieces],
        }
        write_corpus(folder, pieces.values(), header)
    return open_corpus(folder, expected)


def spell_file(path: Path) -> np.ndarray:
    """Read a MIDI file and spell it on the grid."""
    return note_grid.spell_notes(midi.read_notes(path))
