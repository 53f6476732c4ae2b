"""Hand-made pieces as what crosses, and what is demanded of words that come back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_holds,
    assert_parts,
    naming,
)
from grading.sandbox.failures import CheckFailed, as_text
from grading.sandbox.proxy import Code

PAD = -1
DECODED = ("notes", "tempi", "chords", "broken")


def notes(*rows: tuple) -> np.ndarray:
    """Notes of (start, end, pitch), then perhaps velocity."""
    return np.array([(*row, 80)[:4] for row in rows], "i8").reshape(-1, 4)


def tempi(*rows: tuple) -> np.ndarray:
    """Tempi of (tick, beats a minute)."""
    return np.array(rows, "f8").reshape(-1, 2)


@contextmanager
def saying(what: str, *parts: Any) -> Iterator[None]:
    """Say at the end of whatever fails here what it was asked of."""
    try:
        yield
    except CheckFailed as failure:
        asked = "; ".join(map(str, parts))
        asked = asked if len(asked) <= 240 else f"{asked[:239]}…"
        failure.args = (f"{failure}\n{what}: {asked or 'nothing'}",)
        raise


def told(played: np.ndarray) -> list[str]:
    """Tell of notes: `pitch 60, velocity 80, ticks 0 to 480`."""
    return [f"pitch {p}, velocity {v}, ticks {s} to {e}" for s, e, p, v in played.tolist()]


def assert_words(got: Any, want: list[str]) -> None:
    """Demand a list of these words; a message names the first that differs."""
    if type(got) is not list or any(type(word) is not str for word in got):
        raise CheckFailed("type", f"expected a list of words, got {as_text(got)}")
    if got == want:
        return
    shared = min(len(got), len(want))
    place = next((i for i in range(shared) if got[i] != want[i]), shared)
    one, other = (words[place] if place < len(words) else "no more" for words in (want, got))
    before = " ".join(want[max(place - 3, 0) : place])
    where = f"[{place}]{f', after {before}' * bool(before)}"
    more = f" (expected {len(want)} words, got {len(got)})" * (len(got) != len(want))
    raise CheckFailed("value", f"at {where}: expected {one}, got {other}{more}")


def words_of(
    code: Code,
    played: np.ndarray,
    spelling: str = "authors",
    pace: np.ndarray | None = None,
    chords: Sequence[tuple[int, str]] = (),
) -> Any:
    """Let a submission encode a piece."""
    pace = tempi() if pace is None else pace
    return code.build("piece_to_words", played, pace, list(chords), spelling)


def assert_decoded(got: Any, want: Any) -> None:
    """Demand these notes, tempi, chords and number of broken words."""
    parts = assert_parts(got, *DECODED)
    for name, one, other in zip(DECODED, parts, want, strict=True):
        with naming(name):
            if isinstance(other, np.ndarray):
                one = assert_array(one, (None, other.shape[1]), "fiu")
                same = one.shape == other.shape and (np.abs(one - other) < 1e-9).all()
                assert_holds(same, f"expected {as_text(other, 200)}, got {as_text(one, 200)}")
            elif one != other or type(one) is not type(other):
                raise CheckFailed("value", f"expected {as_text(other)}, got {as_text(one)}")


def streams(answer: Any, shape: tuple) -> list[list[np.ndarray]]:
    """Demand batches of inputs, targets and fresh."""
    if type(answer) is not list:
        raise CheckFailed("type", f"expected batches, got {as_text(answer)}")
    found = []
    for number, batch in enumerate(answer):
        with naming(f"batch {number}"):
            parts = assert_parts(batch, "inputs", "targets", "fresh")
            shapes = (shape, shape, shape[:1])
            kinds = ("i", "i", "b")
            found.append([assert_array(*one) for one in zip(parts, shapes, kinds, strict=True)])
            for part in found[-1][:2]:
                if part.dtype != "int32":
                    raise CheckFailed("dtype", f"expected int32, got {part.dtype}")
    return found
