"""What the checks of several labs' sampling share: draws, their frequencies, seeds; NumPy only."""

from typing import Any

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_equal,
    assert_holds,
    assert_parts,
    naming,
)
from grading.sandbox.proxy import Code

DRAWS = 4_000  # in one call, where frequencies are tested


def rows_of(probabilities: list[float], draws: int = DRAWS) -> np.ndarray:
    """Repeat the logits of one distribution; a probability of 0 is a logit of −inf."""
    with np.errstate(divide="ignore"):
        return np.tile(np.log(probabilities), (draws, 1))


def counts(ids: Any, vocab_size: int, draws: int) -> np.ndarray:
    """Count how often each id was drawn."""
    ids = assert_array(ids, (draws,), "iu")
    inside = (ids >= 0) & (ids < vocab_size)
    assert_holds(inside.all(), f"an id outside 0 … {vocab_size - 1} was drawn")
    return np.bincount(ids.astype(np.int64), minlength=vocab_size)


def draws_of(answer: Any, times: int, batch: int) -> list[np.ndarray]:
    """Demand so many arrays of ids."""
    parts = assert_parts(answer, *(f"draw {number}" for number in range(1, times + 1)))
    return [assert_array(ids, (batch,), "iu") for ids in parts]


# Bodies of checks


def assert_ids(student: Code, rng: np.random.Generator, lowest: int = 0) -> None:
    """Demand of `sample_next` int32 ids, one a row, from `lowest` on."""
    for batch, dtype in ((1, "float32"), (5, "float64")):
        ids = student.sample_next(rng.normal(size=(batch, 4)).astype(dtype), seed=1)
        ids = assert_array(ids, (batch,), "iu")
        assert_holds(ids.dtype == "int32", f"expected int32, got {ids.dtype}")
        inside = ((ids >= lowest) & (ids < 4)).all()
        assert_holds(inside, f"expected ids {lowest} … 3, got {ids}")


def assert_repeats(student: Code) -> None:
    """Demand the same draw of the same seed, another of another, and a generator that goes on."""
    logits = np.zeros((40, 50))  # 40 draws from 48 ids agree by chance once in 10^67
    other, first, again = (student.sample_next(logits, seed=seed) for seed in (4, 3, 3))
    with naming("seed=3 once more"):
        assert_equal(again, assert_array(first, (40,), "iu"))
    assert_holds((assert_array(other, (40,), "iu") != first).any(), "seeds 3 and 4 draw the same")
    one, two = draws_of(student.build("sample_with_generator", logits, 3, 2), 2, 40)
    assert_holds((one != two).any(), "two draws with one generator are the same")
