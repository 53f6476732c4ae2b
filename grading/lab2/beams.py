"""A script in the place of a network, and what is demanded of what it writes; NumPy only.

`scripted_networks` in grading/lab2/builders.py follows the same script: the logits after some ids
are a row of a table, and which row depends on the digits and on every id so far, in order.
"""

from typing import Any

import numpy as np

from grading.checks.assertions import CheckFailed, as_text, assert_close, assert_holds, naming
from grading.checks.networks import models_of
from grading.sandbox.proxy import Code, Handle

PAD, START, END = range(3)
ROWS = 31  # of a table: a prime, so no id is forgotten
Beam = tuple[list[int], float]


class Script:
    """A table of logits, (ROWS, vocab_size), and how it is read."""

    def __init__(self, rng: np.random.Generator, vocab_size: int, end: float, whole: bool = False):
        """Draw the table; logits of whole numbers hold many equals."""
        self.table = rng.normal(0, 2, (ROWS, vocab_size)).astype("f4")
        self.table[:, END] += end
        if whole:  # and no -0, which is less than 0 in Keras's argmax, not in NumPy's
            self.table = self.table.round() + 0.0

    def networks(self, code: Code) -> tuple[Handle, Handle]:
        """Build the encoder and the stepper in a worker."""
        built = code.build("scripted_networks", self.table)
        encoder, stepper = models_of(built, "encoder", "stepper")
        return encoder, stepper

    def logits(self, digits: np.ndarray, ids: list[int]) -> np.ndarray:
        """Give the logits after START and some ids."""
        total = 6 * (int((digits * np.arange(1, len(digits) + 1)).sum()) % ROWS)
        for place, word in enumerate([START, *ids]):
            total = 3 * total + 6 * (word + place) + 15
        return self.table[(total + int((digits != PAD).sum())) % ROWS].astype("f8")

    def log_probabilities(self, digits: np.ndarray, ids: list[int]) -> np.ndarray:
        """Give the log-probabilities of the id that follows."""
        logits = self.logits(digits, ids) - self.logits(digits, ids).max()
        return logits - np.log(np.exp(logits).sum())

    def score(self, digits: np.ndarray, ids: list[int]) -> float:
        """Sum the log-probabilities of ids."""
        return sum(float(self.log_probabilities(digits, ids[:i])[id]) for i, id in enumerate(ids))


def some_digits(rng: np.random.Generator, batch: int, width: int) -> np.ndarray:
    """Draw digit ids, every row with PAD to its right but for the last."""
    digits = rng.integers(1, 11, (batch, width)).astype("i4")
    lengths = np.r_[rng.integers(1, width, batch - 1), width]
    return np.where(np.arange(width) < lengths[:, None], digits, PAD).astype("i4")


def steps_of(ids: np.ndarray) -> int:
    """Count the steps until all rows have written END, or all there are."""
    ends = ids == END
    return int(np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, ids.shape[1]).max())


def rows_of_beams(results: Any, batch: int, beam_width: int) -> list[list[Beam]]:
    """Demand, for each row, some lists of ids with their scores, all different, the best first."""
    if type(results) is not list or len(results) != batch:
        raise CheckFailed("type", f"expected {batch} lists, got {as_text(results)}")
    for row in results:
        if type(row) is not list:
            raise CheckFailed("type", f"expected a list of (ids, score), got {as_text(row)}")
        for beam in row:
            if type(beam) not in (tuple, list) or [type(one) for one in beam] != [list, float]:
                raise CheckFailed("type", f"expected (ids, score), got {as_text(beam)}")
            if any(type(id) is not int for id in beam[0]):
                raise CheckFailed("type", f"expected ids as ints, got {as_text(beam[0])}")
        fits = 1 <= len(row) <= beam_width
        assert_holds(fits, f"a row has {len(row)} results, not 1 to beam_width = {beam_width}")
        scores = [score for _, score in row]
        shown = as_text([round(score, 4) for score in scores])
        assert_holds(
            scores == sorted(scores, reverse=True), f"scores of a row, not the best first: {shown}"
        )
        different = len({tuple(ids) for ids, _ in row}) == len(row)
        assert_holds(different, f"the same ids come twice: {as_text([ids for ids, _ in row])}")
    return results


def assert_found(got: list[Beam], script: Script, digits: np.ndarray, want: list[Beam]) -> None:
    """Demand the sequences that a search must find, with their scores.

    Scores are compared, and each with the score its ids truly have, so that equals may change
    places. Sums of a few log-probabilities of up to 20 in float32 are good to 1e-5.
    """
    best, expected = as_text(got[:2]), as_text(want[:2])
    same = f"expected {len(want)} results, got {len(got)}: {best} …, expected {expected} …"
    assert_holds(len(got) == len(want), same)
    longest = max(len(ids) for ids, _ in want)
    for place, ((ids, score), (other, wanted)) in enumerate(zip(got, want, strict=True)):
        assert_holds(END not in ids[:-1], f"ids that go on after END, {END}: {as_text(ids)}")
        valid = all(0 <= id < script.table.shape[1] for id in ids) and len(ids) <= longest
        assert_holds(valid, f"ids that are too many or not in the vocabulary: {as_text(ids)}")
        truly = script.score(digits, ids)
        near = abs(score - truly) < 1e-4
        assert_holds(near, f"the score of {ids} should be {truly:.5f}, got {score:.5f}")
        with naming(f"result {place} should be {as_text(other)}, it is {as_text(ids)}; its score"):
            assert_close(np.array(score), np.array(wanted), atol=1e-4)


def num_calls(code: Code, network: Handle) -> int:
    """How often a scripted network was called."""
    calls = code.build("num_calls", network)
    if type(calls) is not int:
        raise CheckFailed("type", f"expected a number of calls, got {as_text(calls)}")
    return calls
