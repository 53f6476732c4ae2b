"""Tasks 4.12 and 4.15 to 4.18: the loss's scale, the rate, the loss, two measures of it."""

import math

import numpy as np

from grading.checks import hidden
from grading.checks.assertions import assert_array, assert_close, assert_holds, assert_parts, check
from grading.lab4.performances import VOCAB_SIZE

# Task 4.12: the scale of the loss


@check("4.12", says="scale and good steps, over many steps", hidden=True)
def test_scale_random(student, solution, rng):
    interval = int(rng.integers(2, 6))
    scale, good_steps = float(2.0 ** rng.integers(0, 6)), 0
    for finite in [*(rng.random(60) < 0.8).tolist(), *[False] * 40]:  # down to 1 at last
        got = assert_parts(student.update_loss_scale(scale, good_steps, finite, interval), *"12")
        want = solution.update_loss_scale(scale, good_steps, finite, interval)
        for one, other in zip(got, want, strict=True):
            assert_holds(type(one) in (int, float) and one == other, "another number")
        scale, good_steps = want


# Task 4.15: the learning rate


@check("4.15", says="the rate of any step", hidden=True)
def test_rate_random(student, rng):
    for _ in range(2):
        peak, warmup = float(rng.uniform(1e-4, 2)), int(rng.integers(2, 5000))
        steps = [0, warmup - 1, warmup, *(int(n) for n in rng.integers(0, 5 * warmup, 4))]
        got = assert_parts(student.build("rates", peak, warmup, steps), *("a rate",) * 14)
        for one, step in zip(got, steps * 2, strict=True):
            want = peak * min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))
            assert_close(one, np.array(want), atol=0)


# Task 4.16: the loss


def smoothed(targets: np.ndarray, logits: np.ndarray, smoothing: float) -> float:
    """Average the loss over what is no PAD, in float64."""
    logits = logits.astype("f8") - logits.max(axis=-1, keepdims=True)
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    every = -found.mean(axis=-1)[targets != 0].mean()
    return float((1 - smoothing) * hidden.nats_per_token(targets, logits) + smoothing * every)


@check("4.16", says="every token counts the same, wherever it stands", weight=2, hidden=True)
def test_loss_random(student, rng):
    for smoothing in (0.0, 0.1, float(rng.uniform(0.2, 0.9))):
        targets, logits = hidden.any_ragged(rng, 2)
        targets[0] = rng.permutation(targets[0])  # padding need not be at the end
        got = student.masked_cross_entropy(targets, logits, smoothing)
        assert_close(got, np.array(smoothed(targets, logits, smoothing)))


@check("4.16", says="logits of any size and precision are cast to float32", hidden=True)
def test_loss_precision(student, rng):
    targets, logits = hidden.any_ragged(rng, 2)
    half = logits.astype("f2")  # in float16 a log-probability is good to 1e-3 here
    for place in rng.permutation(np.argwhere(targets))[:4].tolist():
        alone = np.zeros_like(targets)  # so that no rounding makes up for another
        alone[tuple(place)] = targets[tuple(place)]
        want = np.array(hidden.nats_per_token(alone, half.astype("f4")))
        assert_close(student.masked_cross_entropy(alone, half), want, rtol=1e-5)
    large = (logits * 1e4 / np.abs(logits).max()).astype("f4")
    want = np.array(hidden.nats_per_token(targets, large))
    # float32 at 1e4 is rounded by 1e-3
    assert_close(student.masked_cross_entropy(targets, large), want, atol=1e-3)


@check("4.16", says="the gradient, 0 at PAD whatever the logits there", weight=2, hidden=True)
def test_loss_hidden_gradient(student, rng):
    targets, logits = hidden.any_ragged(rng, 2)
    want = hidden.nats_gradient(targets, logits)
    at_padding = (targets == 0)[..., None]
    given = np.where(at_padding, 1e4 * np.sign(logits), logits).astype("f4")
    got = assert_array(
        student.build("loss_gradient", targets, given, "masked_cross_entropy"), given.shape, "f"
    )
    assert_close(np.where(at_padding, 0, got), want)
    still = np.abs(np.where(at_padding, got, 0)).max() == 0
    assert_holds(still, "a gradient at PAD")


# Task 4.17: accuracy


@check("4.17", says="right tokens of all tokens, wherever they stand", hidden=True)
def test_accuracy_random(student, rng):
    for _ in range(9):
        targets, logits = hidden.any_ragged(rng, 2)
        targets[0] = rng.permutation(targets[0])
        logits += 2 * np.eye(logits.shape[-1], dtype="f4")[targets]
        want = (logits.argmax(axis=-1) == targets)[targets != 0].mean()
        assert_close(student.masked_accuracy(targets, logits), np.array(float(want)))


# Task 4.18: nats a note


@check("4.18", says="any targets: notes are NOTE_ONs, tokens all but PAD", hidden=True)
def test_note_random(student, rng):
    for high in (VOCAB_SIZE, 150):
        targets = rng.integers(0, high, (5, 40)) * (rng.random((5, 40)) < 0.7)
        targets[0, :3] = 3, 130, 131
        nats = float(rng.uniform(1, 4))
        notes = sum(3 <= id <= 130 for id in targets.flatten().tolist())
        want = np.array(nats * np.count_nonzero(targets) / notes)
        assert_close(student.nats_per_note(nats, targets), want)
