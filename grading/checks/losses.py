"""What several labs' checks ask of a loss and of an accuracy; NumPy only."""

from collections.abc import Callable

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_holds,
    assert_same_after,
    naming,
)
from grading.sandbox.proxy import Code

LENGTHS = ((5, 5), (5, 1, 0, 3), (0, 1))  # of rows, in tokens

# Targets and logits


def ragged(
    rng: np.random.Generator,
    lengths: tuple[int, ...] = (5, 1, 0, 3),
    longest: int = 5,
    vocab_size: int = 7,
    scale: float = 2.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw targets with so many tokens in the rows, then padding; and logits of a scale."""
    targets = rng.integers(1, vocab_size, (len(lengths), longest))
    targets[np.arange(longest) >= np.array(lengths)[:, None]] = 0
    return targets, rng.normal(0, scale, (*targets.shape, vocab_size)).astype("f4")


# Bodies of checks


def assert_untrained(logits: np.ndarray, atol: float) -> None:
    """Demand that ids drawn evenly would cost near ln V on average, as before any training."""
    below = logits.astype("f8") - logits.max(axis=-1, keepdims=True)
    costs = np.log(np.exp(below).sum(axis=-1)) - below.mean(axis=-1)
    assert_close(costs.mean(), np.array(np.log(logits.shape[-1])), atol=atol)


def assert_depends(measure: Callable, targets: np.ndarray, logits: np.ndarray) -> None:
    """Demand that it matters which tokens the logits favour: a constant is no measure."""
    is_right = np.arange(logits.shape[-1]) == targets[..., None]
    good, bad = (np.where(is_right, size, logits).astype("f4") for size in (9, -9))
    values = [assert_array(measure(targets, given), (), "f") for given in (good, bad)]
    assert_holds(values[0] != values[1], f"{values[0]:.6g} comes back, whatever the logits are")


def assert_float32_scalar(measure: Callable, targets: np.ndarray, logits: np.ndarray) -> None:
    """Demand a float32 scalar, whatever the targets' dtype, that is no constant."""
    assert_depends(measure, targets, logits)
    for dtype in ("int32", "int64", "float32"):
        value = assert_array(measure(targets.astype(dtype), logits), (), "f")
        assert_holds(value.dtype == "float32", f"expected float32, got {value.dtype}")


def assert_values(loss: Callable, wanted: Callable, rng: np.random.Generator) -> None:
    """Demand the loss that is wanted, at float32's accuracy."""
    for lengths in LENGTHS:
        targets, logits = ragged(rng, lengths)
        assert_close(loss(targets, logits), wanted(targets, logits))


def assert_padding_ignored(loss: Callable, rng: np.random.Generator) -> None:
    """Demand that logits at padding make no difference, and 0 if all is padding."""
    targets, logits = ragged(rng)
    assert_depends(loss, targets, logits)
    value = assert_array(loss(targets, logits), (), "f")
    other = np.where((targets == 0)[..., None], rng.normal(0, 100, logits.shape), logits)
    assert_same_after("other logits at padding", loss(targets, other.astype("f4")), value)
    with naming("all targets are padding"):
        assert_close(loss(np.zeros_like(targets), logits), np.zeros((), "f4"))


def assert_gradient(
    student: Code, solution: Code, loss: str, rng: np.random.Generator, *smoothing: float
) -> None:
    """Demand the gradient that the solution has where Keras trains the logits (`loss_step`).

    `loss` is the task's name.
    """
    targets, logits = ragged(rng)
    want = solution.build("loss_step", targets, logits, loss, *smoothing)
    # the gradient is what a step changed in logits of up to 8: six roundings of 5e-7
    got = student.build("loss_step", targets, logits, loss, *smoothing)
    with naming("the loss's gradient by the logits"):
        assert_close(got, want, atol=3e-6)


def assert_accuracies(accuracy: Callable, wanted: Callable, rng: np.random.Generator) -> None:
    """Demand the accuracy that is wanted, where many guesses are right."""
    for lengths in LENGTHS[:2]:
        targets, logits = ragged(rng, lengths, vocab_size=4)
        logits += 3 * np.eye(4, dtype="f4")[targets]
        assert_close(accuracy(targets, logits), wanted(targets, logits))
    targets, logits = ragged(rng, LENGTHS[2], vocab_size=4)  # one token, and it is right
    assert_close(accuracy(targets, logits + 20 * np.eye(4, dtype="f4")[targets]), np.ones((), "f4"))
