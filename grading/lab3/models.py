"""What Lab 3's checks of the network, of sampling and of generation share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks import CheckFailed, assert_holds, spelled
from grading.models import step_through, two_models
from grading.proxy import Code, Handle

END = 2
LAYER = re.compile(r"embedding|lstm_\d+|logits")


def networks(
    code: Code, vocab_size: int, embedding_dim: int, units: int, num_layers: int, dropout: float
) -> tuple[Handle, Handle]:
    """Build the model and the stepper, and demand that there are two models."""
    sizes = (vocab_size, embedding_dim, units, num_layers, dropout)
    return two_models(code.build_note_lstm(*sizes))


def steps_from_zeros(stepper: Handle, ids: np.ndarray, units: int, num_layers: int) -> np.ndarray:
    """Feed ids one by one, from states of zeros; the logits of every position."""
    return step_through(stepper, ids, [np.zeros((len(ids), units), "f4")] * (2 * num_layers))


def continuations(results: Any, primers: np.ndarray, max_length: int) -> list[list[int]]:
    """Demand lists of ints, each of which begins with its primer; what follows the primers."""
    if type(results) is not list or len(results) != len(primers):
        raise CheckFailed("type", f"expected {len(primers)} lists, got {spelled(results)}")
    for row, primer in zip(results, primers.tolist(), strict=True):
        if type(row) is not list or any(type(id) is not int for id in row):
            raise CheckFailed("type", f"expected lists of ints, got {spelled(row)}")
        begins = row[: len(primer)] == primer
        assert_holds(begins, f"expected {spelled(primer)} at the beginning of {spelled(row)}")
        fits = len(row) <= max_length
        assert_holds(fits, f"{len(row)} ids, but max_length is {max_length}: {spelled(row)}")
    return [row[primers.shape[1] :] for row in results]
