"""Tasks 4.12 and 4.15 to 4.18: the loss's scale, the rate, the loss, two measures of it."""

import math

import numpy as np

from grading.checks import losses
from grading.checks.assertions import (
    CheckFailed,
    as_text,
    assert_array,
    assert_close,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_same_after,
    check,
    float32,
    naming,
)
from grading.lab4.performances import ids_of, saying_events

# Task 4.12: the scale of the loss


def number(value, want):
    """Demand a plain number; whether 8 or 8.0 is no matter."""
    if type(value) not in (int, float):
        raise CheckFailed("type", f"expected a number, got {as_text(value)}")
    assert_holds(value == want, f"expected {want:g}, got {value:g}")


def assert_scales(student, *cases):
    for given, (scale, good_steps) in cases:
        got = assert_parts(student.update_loss_scale(*given), "scale", "good_steps")
        for name, one, want in zip(("scale", "good_steps"), got, (scale, good_steps), strict=True):
            with naming(name):
                number(one, want)


@check("4.12", says="a good step counts; the last of a row doubles the scale", weight=2)
def test_scale_grows(student):
    assert_scales(
        student,
        ((8.0, 0, True), (8.0, 1)),
        ((8.0, 1998, True), (8.0, 1999)),
        ((8.0, 1999, True), (16.0, 0)),
        ((8.0, 1, True, 3), (8.0, 2)),
        ((8.0, 2, True, 3), (16.0, 0)),
        ((0.5, 0, True, 1), (1.0, 0)),
    )


@check(
    "4.12", says="an overflow halves the scale, but not below 1, and counts again from 0", weight=2
)
def test_scale_falls(student):
    assert_scales(
        student,
        ((8.0, 5, False), (4.0, 0)),
        ((2.0, 0, False), (1.0, 0)),
        ((1.5, 7, False), (1.0, 0)),
        ((1.0, 3, False), (1.0, 0)),
        ((8.0, 1999, False), (4.0, 0)),
        ((65536.0, 2, False, 3), (32768.0, 0)),
    )


# Task 4.15: the learning rate


def assert_rates(student, solution, peak, warmup, steps):
    answer = student.build("rates", peak, warmup, steps)
    got = assert_parts(answer, *(f"rate {i}" for i in range(2 * len(steps))))
    wanted = solution.build("rates", peak, warmup, steps)
    for step, one, want in zip(steps * 2, got, wanted, strict=True):
        with naming(f"at step {step}"):
            assert_close(one, np.array(float(want)), atol=0)


@check("4.15", says="it rises to the peak in `warmup` steps, then falls with √step", weight=3)
def test_rate_values(student, solution):
    for peak, warmup in ((2.0, 10), (1e-3, 4000), (0.5, 1)):
        steps = [0, 1, warmup // 2, warmup - 1, warmup, 4 * warmup - 1, 100 * warmup]
        assert_rates(student, solution, peak, warmup, steps)


@check("4.15", says="the first step has a rate above 0, the last of the warm-up the peak")
def test_rate_ends(student):
    for peak, warmup in ((2.0, 10), (3e-4, 100)):
        want, steps = [peak / warmup, peak, peak / 2], [0, warmup - 1, 4 * warmup - 1]
        got = assert_parts(student.build("rates", peak, warmup, steps), *"123456")
        for step, one, other in zip(steps * 2, got, want * 2, strict=True):
            with naming(f"at step {step}"):
                assert_close(one, np.array(other), atol=0)


@check("4.15", says="Keras's optimizers take their rate from it")
def test_rate_training(student):
    got = student.build("rate_in_training", 0.5, 2, 4)
    got = assert_parts(got, *"1234")
    wanted = (0.25, 0.5, 0.5 * math.sqrt(2 / 3), 0.5 * math.sqrt(0.5))
    for step, (one, want) in enumerate(zip(got, wanted, strict=True)):
        with naming(f"the rate of training step {step}"):
            assert_close(one, np.array(want))


# Task 4.16: the loss. It is compared at float32's accuracy, as assert_close does unless told.


@check("4.16", says="a float32 scalar, whatever the dtypes; 0 if all is PAD")
def test_loss_contract(student, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_depends(student.masked_cross_entropy, targets, logits)
    for dtype, precision in (("int32", "f4"), ("int64", "f2"), ("int32", "f8")):
        given = targets.astype(dtype), logits.astype(precision)
        for smoothing in (0.0, 0.1):
            float32(student.masked_cross_entropy(*given, smoothing), ())
            nothing = student.masked_cross_entropy(0 * given[0], given[1], smoothing)
            with naming("where all is PAD"):
                assert_close(nothing, np.zeros((), "f4"))


@check("4.16", says="nats a token, whichever row it is in", weight=3)
def test_loss_values(student, solution, rng):
    losses.assert_values(student.masked_cross_entropy, solution.masked_cross_entropy, rng)


@check(
    "4.16", says="with smoothing, s / vocab_size on every id and the rest on the target", weight=3
)
def test_loss_smoothing(student, solution, rng):
    for lengths, vocab_size in (((5, 5), 7), ((5, 1, 0, 3), 3), ((1,), 12)):
        targets, logits = losses.ragged(rng, lengths, vocab_size=vocab_size)
        for smoothing in (0.1, 0.5, 1.0):
            got = student.masked_cross_entropy(targets, logits, smoothing)
            assert_close(got, solution.masked_cross_entropy(targets, logits, smoothing))
    certain = np.array([[[9.0, 0, 0, 0]]], "f4")  # by hand: all but certain of what is wrong
    loss = math.log(math.exp(9) + 3)
    got = student.masked_cross_entropy(np.array([[2]]), certain, 0.2)
    assert_close(got, np.array(loss - 0.2 / 4 * 9))


@check("4.16", says="logits at PAD make no difference", weight=2)
def test_loss_padding(student, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_depends(student.masked_cross_entropy, targets, logits)
    other = np.where((targets == 0)[..., None], rng.normal(0, 100, logits.shape), logits)
    for smoothing in (0.0, 0.1):
        loss = float32(student.masked_cross_entropy(targets, logits, smoothing), ())
        got = student.masked_cross_entropy(targets, other.astype("f4"), smoothing)
        assert_same_after("other logits at PAD", got, loss)


@check("4.16", says="its gradient", weight=2)
def test_loss_gradient(student, solution, rng):
    losses.assert_gradient(student, solution, "masked_cross_entropy", rng, 0.2)


# Task 4.17: accuracy


@check("4.17", says="a float32 scalar; 0 if all is PAD")
def test_accuracy_contract(student, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_depends(student.masked_accuracy, targets, logits)
    for dtype in ("int32", "int64"):
        float32(student.masked_accuracy(targets.astype(dtype), logits), ())
        nothing = student.masked_accuracy(0 * targets.astype(dtype), logits)
        with naming("where all is PAD"):
            assert_close(nothing, np.zeros((), "f4"))


@check("4.17", says="the share of tokens guessed right, whichever row they are in", weight=3)
def test_accuracy_values(student, solution, rng):
    losses.assert_accuracies(student.masked_accuracy, solution.masked_accuracy, rng)


@check("4.17", says="a guess at PAD does not count", weight=2)
def test_accuracy_padding(student, solution, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_depends(student.masked_accuracy, targets, logits)
    share = solution.masked_accuracy(targets, logits)
    for guess in (0, 3):  # at padding: right, if PAD counted; wrong
        logits[targets == 0, :] = 9.0 * (np.arange(7) == guess)
        with naming(f"with id {guess} guessed at PAD"):
            assert_close(student.masked_accuracy(targets, logits), share)


# Task 4.18: nats a note


def assert_spread(student, nats, text, want):
    ids = ids_of(text)
    for targets in (ids, ids.reshape(2, -1)):
        with saying_events(ids):
            got = assert_array(student.nats_per_note(nats, targets), (), "f")
            assert_close(got, np.array(want))


@check("4.18", says="nats × tokens / notes; PAD is neither", weight=2)
def test_note_values(student):
    assert_spread(student, 2.0, "loud1 on60 wait5 off60", 8.0)
    assert_spread(student, 1.5, "on0 off0 on127 off127 wait1 end pad pad", 4.5)
    assert_spread(student, 0.5, "pad on60 pad on60 pad on61", 0.5)
    assert_spread(student, 3.0, "start wait1 wait100 loud0 loud31 off0 off127 on3", 24.0)


@check("4.18", says="without a note: infinity")
def test_note_none(student):
    assert_spread(student, 2.0, "wait5 on60", 4.0)
    for text in ("wait5 off60 loud0 end", "pad pad"):
        ids = ids_of(text)
        with saying_events(ids):
            assert_equal(student.nats_per_note(2.0, ids), math.inf)
