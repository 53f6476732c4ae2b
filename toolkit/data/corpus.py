"""Token corpora: pieces as one flat memory-mapped array of ids, beside a JSON header.

A corpus is a folder of three files: `tokens.bin` (little-endian uint16, piece after piece),
`offsets.npy` (piece i is `tokens[offsets[i]:offsets[i + 1]]`) and `header.json`.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import EtudeError
from toolkit.paths import shown

TOKENS, OFFSETS, HEADER = "tokens.bin", "offsets.npy", "header.json"
ID = np.dtype("<u2")
FORMAT = 1


@dataclass(frozen=True)
class Corpus:
    """Pieces of token ids, read from disk as they are asked for.

    Attributes
    ----------
    tokens
        All ids, uint16, shape (tokens,), memory-mapped and read-only.
    offsets
        Where each piece starts, and where the last one ends: int64, shape (pieces + 1,).
    header
        What the corpus holds and what made it, as given to `write_corpus`.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    header: dict[str, Any]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        if not -len(self) <= index < len(self):
            raise IndexError(f"piece {index} of a corpus of {len(self)} pieces")
        index %= len(self)
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    @property
    def names(self) -> list[str]:
        """The pieces' names, in their order."""
        return self.header["names"]


@dataclass(frozen=True)
class Split:
    """Pieces of event ids, one after another.

    Attributes
    ----------
    tokens : uint16 array, memory-mapped; piece i is tokens[offsets[i]:offsets[i + 1]]
    offsets : int64 array (pieces + 1,)
    names : the pieces'
    """

    tokens: np.ndarray
    offsets: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def piece(self, index: int) -> np.ndarray:
        """Ids of a piece, int32."""
        return np.asarray(self.tokens[self.offsets[index] : self.offsets[index + 1]], np.int32)


def write_corpus(folder: Path, pieces: Iterable[np.ndarray], header: Mapping[str, Any]) -> None:
    """Write a corpus in place of the one in `folder`, if there is one.

    A reader finds the old corpus or the new one whole; if this run is killed, the old or none.

    Parameters
    ----------
    folder
        The corpus's own folder; what it holds is replaced.
    pieces
        Arrays of ids, integers from 0 to 65,535, shape (length,) each; read once, one at a time.
    header
        JSON values that say what the corpus holds and what made it: "encoding" with its settings,
        "source", "split", "made_by" (a `fingerprint`). "names", where given, has one name for
        each piece, and "vocabulary" one token for each id.

    Raises
    ------
    EtudeError
        If an id does not fit, a piece is not a row of integers, or the names do not match.
    """
    folder = Path(folder)
    vocabulary, names = header.get("vocabulary"), header.get("names")
    limit = min(len(vocabulary), 1 << 16) if vocabulary is not None else 1 << 16
    with _sole_writer(folder) as desk:
        made = desk / "made"
        made.mkdir()
        offsets = [0]
        with open(made / TOKENS, "wb") as file:
            for index, piece in enumerate(pieces):
                ids = np.asarray(piece)
                _check_ids(ids, limit, names[index] if names and index < len(names) else index)
                file.write(ids.astype(ID).tobytes())
                offsets.append(offsets[-1] + len(ids))
        if names is not None and len(names) != len(offsets) - 1:
            raise EtudeError(
                f"a corpus of {len(offsets) - 1} pieces was given {len(names)} names: "
                "give one name for each piece"
            )
        np.save(made / OFFSETS, np.array(offsets, np.int64))
        text = json.dumps({"format": FORMAT, **header}, ensure_ascii=False, indent=1)
        (made / HEADER).write_text(text, encoding="utf-8")
        if folder.exists():
            os.rename(folder, desk / "old")
        os.rename(made, folder)


def open_corpus(folder: Path, expected_header: Mapping[str, Any] | None = None) -> Corpus:
    """Open a corpus, memory-mapped.

    Raises
    ------
    EtudeError
        If there is none, it is damaged, or it is stale (see `is_stale`).
    """
    folder = Path(folder)
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        offsets = np.load(folder / OFFSETS, allow_pickle=False)
        size = os.path.getsize(folder / TOKENS)
        if header["format"] != FORMAT or size != offsets[-1] * ID.itemsize:
            raise ValueError
        # an empty file cannot be mapped
        tokens = np.memmap(folder / TOKENS, ID, mode="r") if size else np.zeros(0, ID)
    except FileNotFoundError:
        raise EtudeError(f"there is no corpus in {shown(folder)}: make it first") from None
    except (OSError, ValueError, LookupError, TypeError, EOFError):
        raise EtudeError(
            f"the corpus in {shown(folder)} is damaged: delete that folder, and it is made again"
        ) from None
    for name, value in _as_json(expected_header or {}).items():
        if header.get(name) != value:
            raise EtudeError(
                f"the corpus in {shown(folder)} is out of date, its {name} is not what is needed: "
                "make it again"
            )
    return Corpus(tokens, offsets, header)


def is_stale(folder: Path, expected_header: Mapping[str, Any]) -> bool:
    """Tell whether a corpus must be made (again).

    That is when there is none, it is damaged, or a value of `expected_header` is not in its
    header. What its header says beyond that (a vocabulary found in the data, say) is no matter.
    """
    try:
        open_corpus(folder, expected_header)
    except EtudeError:
        return True
    return False


@contextmanager
def _sole_writer(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, to this process alone; sweep away what it leaves."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    desk = folder.with_name(f".{folder.name}.writing")
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # falls with the process, even a killed one
        shutil.rmtree(desk, ignore_errors=True)  # a killed run's
        desk.mkdir()
        try:
            yield desk
        finally:
            shutil.rmtree(desk, ignore_errors=True)


def _check_ids(ids: np.ndarray, limit: int, name: object) -> None:
    if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
        raise EtudeError(
            f"piece {name} is an array of {ids.dtype} of shape {ids.shape}: "
            "a corpus takes rows of integers"
        )
    if ids.size and not (ids.min() >= 0 and ids.max() < limit):
        wrong = ids.max() if ids.max() >= limit else ids.min()
        raise EtudeError(
            f"piece {name} holds the id {wrong}: ids here go from 0 to {limit - 1}, "
            "one for each token of the vocabulary and at most 65,535"
        )


def _as_json(header: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(header))
