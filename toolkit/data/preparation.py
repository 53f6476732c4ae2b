"""Data sets prepared as token corpora: in all cores, kept in the cache, made anew when stale."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from toolkit import console
from toolkit.data.corpus import Corpus, Split, is_stale, open_corpus, write_corpus
from toolkit.data.datasets import Recording
from toolkit.data.fingerprint import fingerprint
from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.paths import CACHE

SPLITS = ("train", "validation", "test")
NO_PIECE = "no piece of the set"


class Piece(NamedTuple):
    """A piece to encode: what `encode` takes (a path, a score's name), its name, its split."""

    item: Any
    name: str
    split: str


@dataclass(frozen=True)
class Preparation:
    """How a corpus is made.

    Attributes
    ----------
    name : of its folder in the cache, such as "maestro-performances"
    source : what the pieces are, such as "MAESTRO v3.0.0"
    encoding : what the ids mean, in words
    pieces : lists the pieces, in their order within each split
    encode : item -> ids, integers (length,), or tokens, a list of str; None if the item is no piece
        of the set. Child processes import it. Rows of several ids a step go in flattened.
    makers : what decides the result besides the pieces' names and splits and the text of `encode`,
        as `fingerprint` takes it
    vocabulary : the token of each id; of tokens it is found: all there are, sorted
    initializer, initargs : called once in each child process before its first piece
    """

    name: str
    source: str
    encoding: str
    pieces: Callable[[], Iterable[Piece]]
    encode: Callable[[Any], np.ndarray | list[str] | None]
    makers: tuple[Any, ...]
    vocabulary: tuple[str, ...] | None = None
    initializer: Callable[..., Any] | None = None
    initargs: tuple[Any, ...] = ()


def prepare(preparation: Preparation, folder: Path | None = None) -> Corpus:
    """Open a corpus, after making it if it is not there or stale.

    Parameters
    ----------
    folder
        The corpus's own; by default one in the cache, named after the data set and what made it.

    Returns
    -------
    Corpus
        Its pieces in the order of `SPLITS`. The header has each piece's "names" and "split", and
        in "skipped" the reason for each that is not there.

    Raises
    ------
    EtudeError
        If more pieces fail than not.
    """
    pieces = sorted(preparation.pieces(), key=lambda piece: SPLITS.index(piece.split))
    listed = "\n".join(f"{piece.split} {piece.name}" for piece in pieces)
    made_by = fingerprint(Path(__file__), preparation.encode, *preparation.makers, listed)
    folder = folder or CACHE / "corpora" / f"{preparation.name}-{made_by[:12]}"
    expected = {"source": preparation.source, "made_by": made_by}
    if is_stale(folder, expected):
        _make(preparation, pieces, folder, expected)
    return open_corpus(folder, expected)


def _make(
    preparation: Preparation, pieces: list[Piece], folder: Path, expected: dict[str, str]
) -> None:
    results, failures = map_items(
        preparation.encode,
        [piece.item for piece in pieces],
        preparation.source,
        initializer=preparation.initializer,
        initargs=preparation.initargs,
    )
    encoded = list(zip(pieces, results, strict=True))
    kept = [piece for piece, result in encoded if result is not None]
    skipped = {
        piece.name: failures.get(piece.item, NO_PIECE)
        for piece, result in encoded
        if result is None
    }
    if len(failures) > len(kept):
        name, reason = next(pair for pair in skipped.items() if pair[1] != NO_PIECE)
        raise EtudeError(
            f"{preparation.source}: {len(failures)} of {len(pieces)} pieces cannot be encoded, "
            f"first {name}: {reason}"
        )
    if others := len(pieces) - len(kept) - len(failures):
        rest = "1 other is" if others == 1 else f"{others} others are"
        console.say(f"{preparation.source}: {len(kept)} pieces; {rest} not in the set")
    vocabulary = preparation.vocabulary
    arrays: list[Any] = [result for result in results if result is not None]
    if arrays and isinstance(arrays[0], list):
        vocabulary = tuple(sorted({token for tokens in arrays for token in tokens}))
        ids = {token: number for number, token in enumerate(vocabulary)}
        arrays = [np.array([ids[token] for token in tokens], np.uint16) for tokens in arrays]
    header = {
        **expected,
        "encoding": preparation.encoding,
        "names": [piece.name for piece in kept],
        "split": [piece.split for piece in kept],
        "skipped": skipped,
    }
    if vocabulary is not None:
        header["vocabulary"] = list(vocabulary)
    write_corpus(folder, arrays, header)


def recorded(table: Iterable[Recording]) -> list[Piece]:
    """List a data set's recordings by name, each a path."""
    pieces = [Piece(one.path, one.path.stem, one.split) for one in table]
    return sorted(pieces, key=lambda piece: piece.name)


def limits(max_pieces: int | None) -> dict[str, int | None]:
    """Give how many pieces of each split to use: `max_pieces` to train on, an eighth of the others.

    None is all.
    """
    few = None if max_pieces is None else max(2, max_pieces // 8)
    return {"train": max_pieces, "validation": few, "test": few}


def limited(pieces: Iterable[Piece], max_pieces: int | None) -> list[Piece]:
    """Leave out what is beyond `limits`, before it is encoded."""
    pieces = list(pieces)
    return [
        piece
        for split, most in limits(max_pieces).items()
        for piece in [piece for piece in pieces if piece.split == split][:most]
    ]


def open_splits(corpus: Corpus, max_pieces: int | None = None) -> dict[str, Split]:
    """Give a prepared corpus's splits, at most so many pieces of each as `limits` says.

    Raises
    ------
    EtudeError
        If a split has no pieces.
    """
    splits = {}
    for split, most in limits(max_pieces).items():
        chosen = [i for i, name in enumerate(corpus.header["split"]) if name == split][:most]
        if not chosen:
            raise EtudeError(f"{corpus.header['source']} has no {split} pieces")
        first, last = chosen[0], chosen[-1] + 1
        offsets = corpus.offsets[first : last + 1]
        splits[split] = Split(corpus.tokens, offsets, corpus.names[first:last])
    return splits
