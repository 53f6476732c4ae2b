"""What lessons print: numbers worked out by hand, made again by a lab's code.

A lab's `worked.py` has `WORKED`, for each task a function of the lab's code that gives numbers as
the lesson prints them, and `MISTAKES`, for wrong answers of the bank those that the same function
gives with them. A test runs both and looks for each number in the lesson.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

Worked = dict[str, Callable[[Any], list[str]]]


def numbers(*values: Any, digits: int = 3) -> list[str]:
    """Format numbers as lessons do: 0.333, 50, −1.984, 14,400."""
    flat = np.concatenate([np.asarray(ops.convert_to_numpy(v), float).flatten() for v in values])
    return [number(value, digits) for value in flat.tolist()]


def number(value: float, digits: int = 3) -> str:
    """Format one number: at most so many digits after the point, none that are 0 at its end."""
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−") if text != "-0" else "0"


def worked_into(table: Worked) -> Callable[[str], Callable]:
    """Give the decorator that enters a function into a lab's `WORKED`, under a task's id."""
    return lambda task: lambda make: table.setdefault(task, make)
