"""What Lab 2's checks of numbers and words share."""

import math
from typing import Any

import numpy as np
from num2words import num2words

from grading.checks.assertions import CheckFailed, as_text, assert_holds, int32, naming
from grading.sandbox.proxy import Code

# always in training, as the lab gives them
SPECIAL_NUMBERS = [*range(21), 30, 40, 50, 60, 70, 80, 90, 100, 1000, 10**6, 10**9]
SPLITS = ("train", "validation", "test")
ENCODED = ("inputs", "targets")

Splits = dict[str, list[int]]


def drawn(got: Any) -> Splits:
    """Demand the three splits of (int, str) pairs; the numbers of each."""
    if type(got) is not dict or set(got) != set(SPLITS):
        raise CheckFailed("type", f"expected a dict with keys {SPLITS}, got {as_text(got)}")
    for pairs in got.values():
        if type(pairs) is not list:
            raise CheckFailed("type", f"expected a list of pairs, got {as_text(pairs)}")
        for pair in pairs:
            whole = type(pair) in (tuple, list) and [type(one) for one in pair] == [int, str]
            if not whole:
                raise CheckFailed("type", f"expected (number, words), got {as_text(pair)}")
            assert_holds(pair[0] >= 0, f"a number below 0: {pair[0]}")
    return {name: [number for number, _ in got[name]] for name in SPLITS}


def by_length(numbers: list[int], max_digits: int, specials: bool = True) -> list[int]:
    """Count the numbers of 1, 2, …, `max_digits` + 1 digits; specials or not."""
    counted = [0] * (max_digits + 1)
    for number in numbers:
        assert_holds(0 <= number <= 10**max_digits, f"{number} is not from 0 to 10^{max_digits}")
        if specials or number not in SPECIAL_NUMBERS:
            counted[len(str(number)) - 1] += 1
    return counted


def assert_shuffled(numbers: list[int]) -> None:
    """Demand that numbers stand in random order; 200 or more of them, of several lengths.

    In a random order rises are half of all, with a standard deviation of √(n / 12), neighbours
    are equally long in less than a third of the cases, and 30 specials stand in the middle on
    average, with a standard deviation of 0.29 / √30 = 0.053: each bound is six or more of these
    away, which happens less than once in 10^8.
    """
    count = len(numbers)
    lengths = np.array([len(str(number)) for number in numbers])
    rises = int((np.diff(np.array(numbers)) > 0).sum())
    assert_holds(
        abs(rises - (count - 1) / 2) < 6 * math.sqrt(count / 12),
        "the numbers of train are not in random order",
    )
    together = (np.diff(lengths) == 0).mean()
    assert_holds(together < 0.5, "train: numbers of one length stand together, not in random order")
    places = [place for place, number in enumerate(numbers) if number in SPECIAL_NUMBERS]
    if len(places) >= 20:  # fewer stand at one end by chance
        middle = np.mean(places) / count
        assert_holds(
            0.18 < middle < 0.82, "train: the special numbers stand at one end, not in random order"
        )


def number_words(numbers: list[int], language: str = "en") -> list[str]:
    """Number words, as num2words writes them."""
    return [num2words(number, lang=language) for number in numbers]


def some_numbers(rng: np.random.Generator, how_many: int) -> list[int]:
    """Draw numbers of one to nine digits, each length alike."""
    digits = rng.integers(1, 10, how_many)
    return [int(rng.integers(10 ** (d - 1), 10**d)) for d in digits.tolist()]


def two_arrays(got: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Demand the two int32 arrays that `encode_words` returns."""
    if type(got) not in (tuple, list) or len(got) != 2:
        raise CheckFailed("type", f"expected (inputs, targets), got {as_text(got)}")
    for part, array in zip(ENCODED, got, strict=True):
        with naming(part):
            int32(array, shape)
    return got[0], got[1]


def complaint(student: Code, name: str, *args: Any) -> str:
    """Demand a ValueError; what it says."""
    told = student.build("complaint", name, *args)
    if told is None:
        raise CheckFailed("no error", f"expected ValueError from {name}, no error came")
    if type(told) is not str:
        raise CheckFailed("type", f"expected a message, got {as_text(told)}")
    return told
