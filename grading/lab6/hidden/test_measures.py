"""Tasks 6.11 to 6.16: entropy, grooves, copying, and how sure we are."""

import numpy as np

from grading.checks.assertions import assert_close, assert_equal, assert_parts, check
from grading.lab6.hidden.oracles import entropy, groove, longest_runs, shared_bars
from grading.lab6.music import assert_float, assert_nan, assert_value, some_line, some_notes


@check("6.11", says="H with any window, for any notes in any order", weight=2, hidden=True)
def test_entropy_random(student, rng):
    for empty in (0, 6, 0, 7):
        num_bars, count = int(rng.integers(5, 20)), int(rng.integers(5, 90))
        notes, window = some_notes(rng, num_bars, count), int(rng.integers(1, 6))
        num_bars += empty
        got = student.pitch_class_entropy(notes, num_bars, window)
        assert_value(got, entropy(notes, num_bars, window))


@check(
    "6.12", says="GS, for any notes in any order, and bars without a note", weight=2, hidden=True
)
def test_groove_random(student, rng):
    for count, empty in ((6, 0), (60, 0), (9, 1), (90, 4)):
        num_bars = int(rng.integers(2, 20))
        notes = some_notes(rng, num_bars, count)
        num_bars += empty
        assert_value(student.grooving_similarity(notes, num_bars), groove(notes, num_bars))


@check("6.13", says="lengths and pieces, for any pieces, transposed or not", weight=2, hidden=True)
def test_copied_random(student, rng):
    for _ in range(2):
        training = [some_line(rng, int(size)) for size in rng.permutation([0, 1, 25, 30, 12])]
        # one piece's end, then another's begin, as long after it as that is after bar 0's line
        ends = [part for part in training if len(part) > 10][:2]
        ends = [ends[0][-6:], later(ends[1][:6], ends[0][-1])]
        piece = np.concatenate([*ends, later(some_line(rng, 15), ends[1][-1])])
        for transposed in (False, True):
            answer = student.copied_lengths(piece, training, transposed)
            lengths, pieces = assert_parts(answer, "lengths", "pieces")
            want = longest_runs(piece, training, transposed)
            assert_equal(lengths, np.array(want[0]))
            assert_equal(pieces, np.array(want[1]))


def later(notes, last):
    """Move notes behind a last one: bar 0's line comes to where that starts."""
    times = 16 * notes[:, 0] + notes[:, 1] + 16 * last[0] + last[1]
    return np.stack([times // 16, times % 16, notes[:, 2]], axis=1)


@check("6.14", says="shares of runs of any length", hidden=True)
def test_share_random(student, rng):
    training = [some_line(rng, 40), some_line(rng, 25)]
    higher = training[0][:15] + np.array([0, 0, 20])  # copied, but transposed
    piece = np.concatenate([higher, later(some_line(rng, 15), higher[-1])])
    for transposed in (False, True):
        lengths, _ = longest_runs(piece, training, transposed)
        for length in (2, int(rng.integers(3, 6)), 30):
            want = np.mean(np.array(lengths[length - 1 :]) >= length)
            assert_value(student.copied_runs(piece, training, length, transposed), float(want))
        assert_nan(student.copied_runs(piece, training, 31, transposed))


@check("6.15", says="shares of bars, for any pieces", hidden=True)
def test_bars_random(student, rng):
    for _ in range(3):
        pieces = [some_notes(rng, 8, int(size)) for size in rng.integers(20, 60, 3)]
        taken = rng.permutation(8)[:4]
        copied = pieces[0][np.isin(pieces[0][:, 0], taken)] + np.array([20, 0, 0])
        training = [*pieces[1:], rng.permutation(copied)]
        assert_value(student.copied_bars(pieces[0], training), shared_bars(pieces[0], training))


@check("6.16", says="bounds of any level, with values that are not normal", weight=2, hidden=True)
def test_bootstrap_random(student, rng):
    zeros = int(rng.integers(8, 11))
    values = rng.permutation(np.r_[np.zeros(zeros), 1.0])
    # ones among n + 1 draws: none with probability 0.35, at most one with 0.74; of 8,000 draws the
    # quantiles 0.4 and 0.6 are 9 deviations away from both
    options = {"level": 0.2, "resamples": 8000, "seed": int(rng.integers(1000))}
    low, high = bounds(student, values, "mean", options)
    assert_close(np.array([low, high]), np.full(2, 1 / (zeros + 1)))
    # the largest of n draws of n pieces is the largest of all with probability 1 - 1/e = 0.63 or
    # more, and among the two largest with 0.87 or more
    values = rng.permutation(np.arange(20.0))
    low, high = bounds(student, values, "largest", options | {"level": 0.5})
    assert_close(np.array([low, high]), np.array([18.0, 19.0]))


def bounds(student, values, statistic, options):
    """Demand two floats."""
    answer = student.build("bounds", values, statistic, options)
    return [assert_float(bound) for bound in assert_parts(answer, "low", "high")]


@check("6.16", says="fewer or more pieces a draw change the bounds' distance", hidden=True)
def test_bootstrap_sizes(student, rng):
    values = rng.normal(0, 3, 300)
    for size in (int(rng.integers(5, 20)), int(rng.integers(600, 900))):
        options = {"size": size, "resamples": 4000}
        low, high = bounds(student, values, "mean", options)
        # 3.92 deviations of a mean apart, up to what quantiles of 4,000 draws and tails of few
        # pieces differ by
        want = 3.92 * values.std() / np.sqrt(size)
        assert_close(np.array((high - low) / want), np.array(1.0), atol=0.25)
