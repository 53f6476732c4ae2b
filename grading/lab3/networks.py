"""What Lab 3's checks of the network, of sampling and of generation share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    Difference,
    as_text,
    assert_array,
    assert_equal,
    assert_frequencies,
    assert_holds,
    naming,
)
from grading.checks.networks import step_through, two_models
from grading.checks.sampling import counts
from grading.sandbox.proxy import Code, Handle

END = 2
LAYER = re.compile(r"embedding|lstm_\d+|logits")
LIKELY = [0.1, 0.4, 0.2, 0.3]  # probabilities of four ids, where cuts are tested


def networks(
    code: Code, vocab_size: int, embedding_dim: int, units: int, num_layers: int, dropout: float
) -> tuple[Handle, Handle]:
    """Build the model and the stepper, and demand that there are two models."""
    sizes = (vocab_size, embedding_dim, units, num_layers, dropout)
    return two_models(code.build_note_lstm(*sizes))


def steps_from_zeros(stepper: Handle, ids: np.ndarray, units: int, num_layers: int) -> np.ndarray:
    """Feed ids one by one, from states of zeros; the logits of every position."""
    return step_through(stepper, ids, [np.zeros((len(ids), units), "f4")] * (2 * num_layers))


def assert_rows_ids(ids: Any, want: np.ndarray, logits: np.ndarray) -> None:
    """Demand an id a row of logits; a message shows the logits of the first row that got another.

    Parameters
    ----------
    want
        Shape (batch,).
    logits
        Shape (batch, vocab_size).
    """
    got = assert_array(ids, want.shape, "iu")
    wrong = got != want
    for row in np.flatnonzero(wrong)[:1]:
        message = (
            f"row {row}, logits {as_text(logits[row])}: expected id {want[row]}, got {got[row]}"
        )
        raise CheckFailed("value", message, Difference(want, got, wrong))


def assert_kept(
    ids: Any, share: np.ndarray, draws: int, probabilities: list[float] = LIKELY
) -> None:
    """Demand draws as often as `share` says; a message names the ids that a cut keeps."""
    drawn = counts(ids, len(share), draws)
    before = ", ".join(f"{probability:.3g}" for probability in probabilities)
    with naming(f"of ids with probabilities {before} keep {np.flatnonzero(share).tolist()}"):
        assert_frequencies(drawn, share)


def assert_rows(results: list[list[int]], want: list[list[int]]) -> None:
    """Demand these rows of ids; a message is about the first row that differs."""
    for row, (got, wanted) in enumerate(zip(results, want, strict=True)):
        with naming(f"row {row}"):
            assert_equal(got, wanted)


def continuations(results: Any, primers: np.ndarray, max_length: int) -> list[list[int]]:
    """Demand lists of ints, each of which begins with its primer; what follows the primers."""
    if type(results) is not list or len(results) != len(primers):
        is_array = isinstance(results, np.ndarray)
        came = f"an array of shape {results.shape}" if is_array else as_text(results)
        raise CheckFailed("type", f"expected a list of {len(primers)} lists, got {came}")
    for row, primer in zip(results, primers.tolist(), strict=True):
        if type(row) is not list or any(type(id) is not int for id in row):
            raise CheckFailed("type", f"expected lists of ints, got {as_text(row)}")
        begins = row[: len(primer)] == primer
        assert_holds(begins, f"expected the primer {as_text(primer)} to begin {as_text(row)}")
        fits = len(row) <= max_length
        assert_holds(fits, f"{len(row)} ids, but max_length is {max_length}: {as_text(row)}")
    return [row[primers.shape[1] :] for row in results]
