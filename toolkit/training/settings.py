"""Kinds of numbers among an experiment's settings: a field's type says what may be given.

`epochs: Count = 10`, `temperatures: tuple[Positive, ...] = (0.6, 0.8)`, `max_pieces: Count | None`.
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
