"""What Lab 3's checks of the network, of sampling and of generation share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks import CheckFailed, assert_array, assert_holds, spelled
from grading.proxy import Code, Handle, model

END = 2
NEVER = -50.0  # a logit: exp(-50) is below one in 10^21
LAYER = re.compile(r"embedding|lstm_\d+|logits")

Weights = dict[tuple[str, str], np.ndarray]


def networks(
    code: Code, vocab_size: int, embedding_dim: int, units: int, num_layers: int, dropout: float
) -> tuple[Handle, Handle]:
    """Build the model and the stepper, and demand that there are two models."""
    built = code.build_note_lstm(vocab_size, embedding_dim, units, num_layers, dropout)
    if type(built) not in (tuple, list) or len(built) != 2:
        raise CheckFailed("type", f"expected (model, stepper), got {spelled(built)}")
    return model(built[0]), model(built[1])


def by_layer(network: Handle) -> Weights:
    """Give each weight by its layer's name and its own, ("lstm_0", "kernel")."""
    return {key_of(path): value for path, value in network.get_weights().items()}


def key_of(path: str) -> tuple[str, str]:
    """Name a weight by its layer and itself: what lies between, as a cell, is the author's."""
    parts = path.split("/")
    layer = next((part for part in parts if LAYER.fullmatch(part)), None)
    if layer is None:
        names = '"embedding", "lstm_0", …, "logits"'
        raise CheckFailed("value", f"the weight {path!r} is in no layer named {names}")
    return layer, parts[-1]


def set_layers(network: Handle, weights: Weights) -> None:
    """Set weights that are named as `by_layer` does."""
    keys = {path: key_of(path) for path in network.get_weights()}
    network.set_weights({path: weights[key] for path, key in keys.items() if key in weights})


def randomize(network: Handle, rng: np.random.Generator) -> None:
    """Set every weight at random, so large that each makes a difference to the logits."""
    network.set_weights(
        {
            path: rng.normal(0, 0.5, value.shape).astype(value.dtype)
            for path, value in network.get_weights().items()
        }
    )


def give_weights(network: Handle, other: Handle) -> None:
    """Set another model's weights to this one's, layer by layer."""
    weights, wanted = by_layer(network), by_layer(other)
    for key in weights.keys() ^ wanted.keys():
        there = "lacks" if key in wanted else "should not have"
        raise CheckFailed("value", f"the layer {key[0]!r} {there} a weight {key[1]!r}")
    for (layer, name), value in weights.items():
        assert_holds(
            value.shape == wanted[layer, name].shape,
            f"{layer}'s {name} should have shape {wanted[layer, name].shape}, not {value.shape}",
        )
    set_layers(other, weights)


def step_through(stepper: Handle, ids: np.ndarray, units: int, num_layers: int) -> np.ndarray:
    """Feed ids one by one, from states of zeros; the logits of every position."""
    states: list[Any] = [np.zeros((len(ids), units), np.float32)] * (2 * num_layers)
    logits = []
    for position in range(ids.shape[1]):
        answer = stepper(ids[:, position : position + 1], *states)
        if type(answer) not in (tuple, list) or len(answer) != 1 + 2 * num_layers:
            raise CheckFailed("type", f"expected [logits, h_0, c_0, …], got {spelled(answer)}")
        logits.append(assert_array(answer[0], (len(ids), None), "f"))
        states = [assert_array(state, (len(ids), units), "f") for state in answer[1:]]
    return np.stack(logits, axis=1)


def nats_per_token(targets: np.ndarray, logits: np.ndarray) -> float:
    """Average cross-entropy over targets that are not 0, in float64."""
    logits = logits.astype("f8") - logits.max(axis=-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    rows, positions = np.nonzero(targets)
    return -float(log_probabilities[rows, positions, targets[rows, positions]].mean())


def counts(ids: Any, vocab_size: int, draws: int) -> np.ndarray:
    """Count how often each id was drawn."""
    ids = assert_array(ids, (draws,), "iu")
    inside = (ids >= 0) & (ids < vocab_size)
    assert_holds(inside.all(), f"an id outside 0 … {vocab_size - 1} was drawn")
    return np.bincount(ids, minlength=vocab_size)


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
