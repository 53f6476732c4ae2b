"""How a submission may fail, and values as messages show them."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from grading.sandbox.worker.codec import MusicXML

# All that a hidden check may say beside the property it tests.
REASONS = {
    "raised": "the code raised an error",
    "died": "the process ended, crashed, or took too long",
    "type": "a value of the wrong type came back",
    "shape": "an array of the wrong shape came back",
    "dtype": "an array of the wrong dtype came back",
    "finite": "NaN or infinity came back",
    "value": "a wrong value came back",
    "no error": "bad input was accepted",
}
EXPECTED = ("expected", "got")
CHANGED = ("before", "after")  # a change of the inputs: both are the submission's


class Difference(NamedTuple):
    """Two arrays of one shape, where they count as different, and what they are called."""

    want: np.ndarray
    got: np.ndarray
    far: np.ndarray
    said: tuple[str, str] = EXPECTED


class CheckFailed(AssertionError):
    """A submission failed a check: one of REASONS, and what a public check says about it.

    `difference` is what a notebook may draw beside the message of a public check. `asked` is False
    if no function was called, because the file does not load or has used up what it may.
    """

    asked = True

    def __init__(self, reason: str, message: str, difference: Difference | None = None):
        self.reason = REASONS[reason]
        self.difference = difference
        super().__init__(message)


def as_text(value: Any, limit: int = 120) -> str:
    """Spell a value as a student would, shortened: `[1, 2, 3]`, `int32 array (4, 16)`."""
    text = "".join(islice(text_pieces(value), limit + 1))
    return text if len(text) <= limit else text[: limit - 1] + "…"


BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}")}


def text_pieces(value: Any) -> Iterator[str]:
    """Spell a value character by character: whoever takes a few pays for no more."""
    if isinstance(value, MusicXML):
        yield from getattr(value, "label", "a score")
    elif isinstance(value, np.ndarray) and value.size <= (8 if value.dtype.kind == "f" else 24):
        text = np.array2string(value, separator=", ", precision=6)
        yield from re.sub(r"(?<=\[) +|(?<= ) +| +(?=[],])", "", text.replace("\n", ""))
    elif isinstance(value, np.ndarray):
        yield from f"{value.dtype} array {value.shape}"
        if value.ndim == 2 and value.shape[1] <= 24 and (value == value[0]).all():
            yield from ", each row "
            yield from text_pieces(value[0])
    elif type(value) in BRACKETS:
        opening, closing = BRACKETS[type(value)]
        yield opening
        for place, item in enumerate(value):
            yield from ", " if place else ""
            yield from text_pieces(item)
            if isinstance(value, dict):
                yield from ": "
                yield from text_pieces(value[item])
        yield f",{closing}" if type(value) is tuple and len(value) == 1 else closing
    else:
        yield from repr(value)
