"""What hidden checks of several labs share; NumPy only.

Nothing that students get may import it: what public checks import goes into the handout.
"""

import re
from collections.abc import Callable

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_equal,
    assert_frequencies,
    assert_holds,
)
from grading.checks.losses import ragged
from grading.checks.networks import give_learned
from grading.checks.sampling import DRAWS, counts, draws_of
from grading.sandbox.proxy import Code, Handle

# What is right by definition


def nats_per_token(targets: np.ndarray, logits: np.ndarray) -> float:
    """Average cross-entropy over targets that are not 0, in float64."""
    logits = logits.astype("f8") - logits.max(axis=-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    rows, positions = np.nonzero(targets)
    return -float(log_probabilities[rows, positions, targets[rows, positions]].mean())


def nats_gradient(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Differentiate `nats_per_token` by the logits, in float64."""
    is_token = (targets != 0)[..., None]
    powers = np.exp(logits.astype("f8") - logits.max(axis=-1, keepdims=True))
    right = targets[..., None] == np.arange(logits.shape[-1])
    return (powers / powers.sum(axis=-1, keepdims=True) - right) * is_token / is_token.sum()


# Networks


def assert_learned(
    network: Handle, same: Handle, names: re.Pattern[str], targets: np.ndarray, *inputs: np.ndarray
) -> np.ndarray:
    """Demand that a batch is known by heart; the solution's model has the last word, its logits.

    Chance is ln 6 = 1.8 or more; the solutions come below 0.1 for every draw tried.
    """
    give_learned(network, same, names)
    logits = same(*inputs)
    assert_holds(nats_per_token(targets, logits) < 0.5, "one batch is not learned by heart")
    # trained logits are about 10: ten times the roundings of those that are not
    assert_close(network(*inputs), logits, atol=1e-4)
    return logits


# Losses


def any_ragged(rng: np.random.Generator, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw sizes too: a row is full, one empty, one has one token; one token is most unlikely.

    A full row ends with id 2: END in all labs that have one.
    """
    batch, longest, vocab_size = (int(size) for size in rng.integers(4, 9, 3))
    lengths = rng.permutation(np.r_[longest, 0, 1, rng.integers(0, longest, batch - 3)])
    targets, logits = ragged(rng, tuple(lengths.tolist()), longest, vocab_size, scale)
    targets[np.flatnonzero(targets[:, -1])[0], -1] = 2
    row = np.flatnonzero(targets[:, 0])[-1]  # never the first row, which a check may permute
    logits[row, 0, targets[row, 0]] = logits[row, 0].min() - 12
    return targets, logits


def assert_any_loss(loss: Callable, rng: np.random.Generator) -> None:
    """Demand nats a token, wherever the tokens stand."""
    for _ in range(3):
        targets, logits = any_ragged(rng, 2)
        targets[0] = rng.permutation(targets[0])  # padding need not be at the end
        assert_close(loss(targets, logits), nats_per_token(targets, logits))


def assert_no_overflow(loss: Callable, rng: np.random.Generator) -> None:
    """Demand nats a token where logits are ±1e4."""
    targets, logits = any_ragged(rng, 1)
    for large in (logits * 1e4 / np.abs(logits).max(), np.sign(logits) * np.float32(1e4)):
        # float32 at 1e4 is rounded by 1e-3
        assert_close(loss(targets, large), nats_per_token(targets, large), atol=1e-3)


def assert_gradient_despite(
    size: float | np.ndarray, student: Code, loss: str, targets: np.ndarray, logits: np.ndarray
) -> None:
    """Demand a loss's gradient by the logits, whatever the size of those at padding."""
    is_token = (targets != 0)[..., None]
    given = np.where(is_token, logits, size * np.sign(logits)).astype("f4")
    got = student.build("loss_gradient", targets, given, loss)
    assert_close(got, nats_gradient(targets, logits))


# Sampling


def assert_independent_rows(
    student: Code, rng: np.random.Generator, vocab_size: int, probabilities: Callable
) -> None:
    """Demand that rows are drawn independently, each from its own logits.

    `probabilities` are those that a row's logits stand for.
    """
    two = rng.normal(size=(2, vocab_size))
    ids = student.sample_next(np.tile(two, (DRAWS, 1)), seed=int(rng.integers(1000)))
    ids = assert_array(ids, (2 * DRAWS,), "iu").astype(int).reshape(-1, 2)
    inside = ((ids >= 0) & (ids < vocab_size)).all()
    assert_holds(inside, f"an id outside 0 … {vocab_size - 1} was drawn")
    pairs = counts(ids[:, 0] * vocab_size + ids[:, 1], vocab_size**2, DRAWS)
    assert_frequencies(pairs, np.outer(*map(probabilities, two)).ravel())


def assert_seeds(student: Code, rng: np.random.Generator) -> None:
    """Demand that `sample_next` takes seeds as numpy.random.default_rng does."""
    logits, seed = rng.normal(size=(40, 50)), int(rng.integers(1000))
    first, again = (
        draws_of(student.build("sample_with_generator", logits, seed, 8), 8, 40) for _ in range(2)
    )
    for one, other in zip(first, again, strict=True):
        assert_equal(other, one)
    # whoever draws all rows with one number has two draws alike once in 200 gradings, and eight
    # once in 10^9; without a seed nobody could repeat that
    alike = (np.array(first[1:]) == first[1]).all()
    assert_holds(not alike, "draws with one generator are the same")
    none = [assert_array(student.sample_next(logits), (40,), "iu") for _ in range(8)]
    assert_holds((np.array(none) != none[0]).any(), "draws without a seed are the same")
