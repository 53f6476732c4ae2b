"""An experiment's settings: what every lab has, and the kinds of numbers among them.

A field's type says what may be given: `epochs: Count = 10`, `temperatures: tuple[Positive, ...] =
(0.6, 0.8)`, `max_pieces: Count | None`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """Which numbers fit, and how a message asks for one."""

    fits: Callable[[float], bool]
    text: str


Seed = Annotated[
    int, Range(lambda number: 0 <= number < 2**32, f"a whole number from 0 to {2**32 - 1}")
]
Count = Annotated[int, Range(lambda number: number >= 1, "a whole number from 1")]
CountOrZero = Annotated[int, Range(lambda number: number >= 0, "a whole number from 0")]
Positive = Annotated[float, Range(lambda number: 0 < number < float("inf"), "a number above 0")]
PositiveOrZero = Annotated[
    float, Range(lambda number: 0 <= number < float("inf"), "a number from 0")
]
Fraction = Annotated[float, Range(lambda number: 0 <= number <= 1, "a number from 0 to 1")]
FractionAboveZero = Annotated[
    float, Range(lambda number: 0 < number <= 1, "a number above 0, up to 1")
]
FractionBelowOne = Annotated[
    float, Range(lambda number: 0 <= number < 1, "a number from 0, below 1")
]


@dataclass(frozen=True)
class CommonSettings:
    """What every lab can be told; any field can be set on the command line.

    Attributes
    ----------
    seed : what every seed is derived from
    precision : "auto", "float32", "bfloat16" or "float16"
    devices : None is one, "all" shares each batch between all
    """

    seed: Seed = 0
    precision: str = "auto"
    devices: str | None = None


@dataclass(frozen=True)
class MusicSettings(CommonSettings):
    """What every lab that makes music can be told besides.

    Attributes
    ----------
    instrument : one or several General MIDI names, with commas; None is each note's own
    soundfont : an .sf2 file; None is the small one that comes along
    max_pieces : training pieces to use at most, and an eighth as many for validation and test; None
        is all
    """

    instrument: str | None = None
    soundfont: str | None = None
    max_pieces: Count | None = None
