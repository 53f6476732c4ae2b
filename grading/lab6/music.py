"""Pieces for Lab 6's checks of measures: int arrays (notes, 3) of bar, position and pitch."""

import math
from typing import Any

import numpy as np

from grading.checks.assertions import CheckFailed, assert_close
from grading.sandbox.failures import as_text


def tune(*pitches: int, wait: int = 4, start: int = 0) -> np.ndarray:
    """Make notes one after the other, `wait` steps apart."""
    times = start + wait * np.arange(len(pitches))
    return np.stack([times // 16, times % 16, pitches], axis=1)


def some_notes(rng: np.random.Generator, num_bars: int, count: int) -> np.ndarray:
    """Draw notes, in no order."""
    return rng.integers([0, 0, 45], [num_bars, 16, 85], (count, 3))


def some_line(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw notes in order, some at one time, few pitches and waits: runs come again."""
    times = np.cumsum(rng.integers(0, 3, size))
    pitches = 60 + rng.choice([0, 1, 2, 13], size)
    order = np.lexsort((-pitches, times))
    return np.stack([times // 16, times % 16, pitches], axis=1)[order]


def moved(notes: np.ndarray, bars: int = 0, steps: int = 0) -> np.ndarray:
    """Move notes to later bars and positions."""
    return notes + np.array([bars, steps, 0])


def assert_value(value: Any, want: float) -> None:
    """Demand a float; float64 sums in another order differ by less than 1e-9."""
    assert_close(assert_float(value), float(want), rtol=0, atol=1e-9)


def assert_float(value: Any) -> float:
    """Demand a float that is a number or nan."""
    if type(value) is not float:
        raise CheckFailed("type", f"expected a float, got {as_text(value)}")
    return value


def assert_nan(value: Any) -> None:
    """Demand nan."""
    if not math.isnan(assert_float(value)):
        raise CheckFailed("value", f"expected nan, got {value}")
