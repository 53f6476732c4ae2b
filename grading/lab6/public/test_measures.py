"""Tasks 6.11 to 6.16: entropy, grooves, copying, and how sure we are."""

import numpy as np

from grading.checks.assertions import (
    assert_close,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_raises,
    check,
    naming,
)
from grading.lab6.music import (
    assert_float,
    assert_nan,
    assert_value,
    moved,
    some_line,
    some_notes,
    tune,
)
from grading.sandbox.failures import CheckFailed, as_text

# Task 6.11: the entropy of pitch classes

CHORD = np.array([[0, 0, 60], [0, 4, 64], [0, 8, 67], [0, 12, 72]])


@check("6.11", says="the entropy of the counted pitch classes, in bits", weight=2)
def test_entropy_bar(student):
    twelve = np.stack([np.zeros(12, int), np.arange(12), np.arange(12) + 55], axis=1)
    for notes, want in ((CHORD, 1.5), (twelve, np.log2(12)), (CHORD[:1], 0.0), (CHORD[::3], 0.0)):
        assert_value(student.pitch_class_entropy(notes, 1, 1), want)


@check("6.11", says="the mean over all windows, each one bar later", weight=3)
def test_entropy_windows(student, solution, rng):
    for num_bars, count in ((6, 60), (9, 40)):
        notes = some_notes(rng, num_bars, count)
        for window in (1, 2, 4):
            want = solution.pitch_class_entropy(notes, num_bars, window)
            got = student.pitch_class_entropy(notes, num_bars, window)
            assert_value(got, want)


@check("6.11", says="windows without a note are left out; a short piece is one window", weight=2)
def test_entropy_empty(student, solution):
    apart = np.concatenate([CHORD, moved(CHORD[1:], bars=5)])
    for notes, num_bars, window in ((apart, 9, 1), (apart, 9, 2), (CHORD, 1, 4), (apart, 6, 8)):
        want = solution.pitch_class_entropy(notes, num_bars, window)
        got = student.pitch_class_entropy(notes, num_bars, window)
        assert_value(got, want)


@check("6.11", says="nan without a note")
def test_entropy_none(student):
    for window in (1, 4):
        assert_nan(student.pitch_class_entropy(CHORD[:0], 5, window))


# Task 6.12: the similarity of grooves


@check("6.12", says="1 - (positions that differ) / 16, of two bars", weight=2)
def test_groove_pair(student):
    four, two = (
        [[bar, q, 60] for q in places] for bar, places in ((0, (0, 4, 8, 12)), (1, (0, 8)))
    )
    for notes, want in ((four + two, 0.875), (four + [[1, q, 50] for _, q, _ in four], 1.0)):
        assert_value(student.grooving_similarity(np.array(notes), 2), want)


@check("6.12", says="the mean over all pairs of different bars", weight=3)
def test_groove_pairs(student, solution, rng):
    for num_bars, count in ((3, 20), (8, 50), (60, 300)):
        notes = some_notes(rng, num_bars, count)
        got = student.grooving_similarity(notes, num_bars)
        assert_value(got, solution.grooving_similarity(notes, num_bars))


@check("6.12", says="bars without a note count, as empty grooves")
def test_groove_empty(student, solution, rng):
    notes = some_notes(rng, 4, 12)
    got = student.grooving_similarity(notes, 7)
    assert_value(got, solution.grooving_similarity(notes, 7))


@check("6.12", says="nan with fewer than two bars, or without a note")
def test_groove_none(student):
    assert_nan(student.grooving_similarity(CHORD, 1))
    assert_nan(student.grooving_similarity(CHORD[:0], 5))


# Task 6.13: what was copied

TRAINING = [tune(60, 62, 64, 65), tune(70), tune(65, 62, 60, 62, 64, wait=3)]


def assert_copied(student, notes, training, want, pieces=None, transposed=False):
    """Demand lengths, and pieces if they are said."""
    answer = student.copied_lengths(notes, training, transposed)
    got, found = assert_parts(answer, "lengths", "pieces")
    with naming("lengths"):
        assert_equal(got, np.array(want, int))
    with naming("pieces"):
        if pieces is not None:
            assert_equal(found, np.array(pieces, int))
        elif not isinstance(found, np.ndarray) or found.shape != np.shape(want):
            raise CheckFailed("shape", f"expected {len(want)} numbers, got {as_text(found)}")


@check("6.13", says="the longest run of the same pitches and waits up to each note", weight=3)
def test_copied_runs_of_pitches(student):
    assert_copied(student, tune(62, 64, 65, 71), TRAINING, [1, 2, 3, 0])
    assert_copied(student, tune(65, 61, 63, 64), TRAINING, [1, 0, 0, 1])
    # other waits: each note is a run by itself
    assert_copied(student, tune(60, 62, 64, wait=5), TRAINING, [1, 1, 1])
    assert_copied(student, tune(60, 62, 64, wait=3), TRAINING, [1, 2, 3])


@check("6.13", says="the time when a run begins does not matter, nor what came before it")
def test_copied_start(student):
    for shift in (1, 5, 31):
        assert_copied(student, tune(99, 62, 64, 65, start=shift), TRAINING, [0, 1, 2, 3])


@check("6.13", says="no run continues from one training piece into the next", weight=2)
def test_copied_borders(student):
    for start in (4, 8):  # the next piece begins a beat after bar 0's line, or after the last note
        training = [tune(60, 62), tune(64, 65, start=start), tune(67, start=16)]
        assert_copied(student, tune(60, 62, 64, 65, 67), training, [1, 2, 1, 2, 1])
    assert_copied(student, tune(60, 62), [tune(60, 61), *training[1:]], [1, 0])


@check("6.13", says="transposed: the same differences of pitch, and waits", weight=2)
def test_copied_transposed(student):
    training = TRAINING[:2]
    assert_copied(student, tune(65, 61, 63, 64), training, [1, 1, 2, 3], transposed=True)
    assert_copied(student, tune(50, 52, 54, 57), training, [1, 2, 3, 1], transposed=True)
    assert_copied(student, tune(50, 52, wait=2), training, [1, 1], transposed=True)
    assert_copied(student, tune(50, 64), training, [1, 1], transposed=True)  # 14 is not 2


@check("6.13", says="the first training piece that holds it; 0 and -1 if none does")
def test_copied_pieces(student):
    training = [tune(70)[:0], *TRAINING]
    assert_copied(student, tune(60, 62, 99), training, [1, 2, 0], [1, 1, -1])
    assert_copied(student, tune(70, 62, wait=3), training, [1, 1], [2, 1])
    assert_copied(student, tune(62, 60, 62, wait=3), training, [1, 2, 3], [1, 3, 3])
    for transposed in (False, True):
        assert_copied(student, tune(60, 62), [], [0, 0], [-1, -1], transposed)
        assert_copied(student, tune(60)[:0], training, [], [], transposed)


@check("6.13", says="the same, for longer pieces with chords", weight=2)
def test_copied_lines(student, solution, rng):
    training = [some_line(rng, size) for size in (40, 0, 70, 1)]
    piece = some_line(rng, 50)
    for transposed in (False, True):
        lengths, pieces = solution.copied_lengths(piece, training, transposed)
        assert_copied(student, piece, training, lengths.tolist(), pieces.tolist(), transposed)


# Task 6.14: the share of copied runs


@check("6.14", says="copied runs / all runs of that length; nan if there is none", weight=2)
def test_share_of_runs(student):
    piece = tune(60, 62, 64, 99)
    for length, want in ((1, 3 / 4), (2, 2 / 3), (3, 1 / 2), (4, 0)):
        got = student.copied_runs(piece, TRAINING, length)
        with naming(f"runs of {length}"):
            assert_value(got, want)
    assert_nan(student.copied_runs(piece, TRAINING, 5))
    assert_nan(student.copied_runs(piece, TRAINING))  # 16 notes, unless told


@check("6.14", says="transposed runs, if asked for")
def test_share_transposed(student):
    piece = tune(50, 52, 54, 55)
    got = [assert_float(student.copied_runs(piece, TRAINING[:1], 4, t)) for t in (False, True)]
    assert_close(np.array(got), np.array([0.0, 1.0]))


# Task 6.15: the share of copied bars


def bars(*counts):
    """Make a piece whose bars have so many notes."""
    rows = [(bar, 2 * q, 60 + bar) for bar, count in enumerate(counts) for q in range(count)]
    return np.array(rows).reshape(-1, 3)


@check("6.15", says="bars are compared as sets of (position, pitch), wherever they stand", weight=3)
def test_bars_sets(student, solution, rng):
    piece = bars(4, 5, 6)
    later = moved(piece, bars=3)
    for training, want in (([piece], 1), ([later[::-1]], 1), ([moved(piece, steps=1)], 0), ([], 0)):
        assert_value(student.copied_bars(piece, training), want)
    one = piece[piece[:, 0] != 1]
    assert_value(student.copied_bars(piece, [bars(2), one]), 2 / 3)
    training = [
        np.concatenate([piece, moved(piece[:1], bars=1, steps=1)])
    ]  # the second bar has a note more
    assert_value(student.copied_bars(piece, training), 2 / 3)


@check("6.15", says="only bars of 4 or more; nan if there is none", weight=2)
def test_bars_simple(student):
    piece = bars(4, 3, 5, 1)
    training = [piece[piece[:, 0] != 2]]
    assert_value(student.copied_bars(piece, training), 1 / 2)
    twice = np.repeat(bars(2), 2, axis=0)  # each note twice: a set of two
    for none in (bars(3, 3), bars(3)[:0], twice):
        assert_nan(student.copied_bars(none, [none]))


# Task 6.16: how sure are we?


def bounds(student, values, statistic="mean", **options):
    """Demand two floats."""
    answer = student.build("bounds", np.asarray(values, float), statistic, options)
    return [assert_float(bound) for bound in assert_parts(answer, "low", "high")]


@check("6.16", says="the quantiles of the statistic over pieces drawn with replacement", weight=3)
def test_bootstrap_quantiles(student, rng):
    assert_close(np.array(bounds(student, [3.5] * 4)), np.array([3.5, 3.5]))
    # of two pieces, 0 and 1: the mean is 0, 0.5 or 1 with probability 1/4, 1/2, 1/4
    for level, want in ((0.4, (0.5, 0.5)), (0.9, (0.0, 1.0))):
        with naming(f"level {level}"):
            assert_close(np.array(bounds(student, [0, 1], level=level)), np.array(want))
    # of 400 pieces: a mean's deviation is that of a piece / 20; the bounds are 1.96 of it away.
    # A quantile of 2,000 draws is off by 0.06 of it, and six times that is 0.36
    values = rng.normal(5, 2, 400)
    want = values.mean() + np.array([-1.96, 1.96]) * values.std() / 20
    assert_close(np.array(bounds(student, values)), want, atol=0.036)


@check("6.16", says="`size` pieces a draw; those with a nan are left out", weight=2)
def test_bootstrap_size(student):
    values = [1, np.nan, 3, np.nan]
    for size, want in ((None, 2), (7, 7)):
        options = {} if size is None else {"size": size}
        got = bounds(student, values, "pieces", **options)
        with naming(f"the number of pieces drawn, of {values}, with size {size}"):
            assert_close(np.array(got), np.array([want, want], float))
    assert_close(np.array(bounds(student, values, "largest", size=60)), np.array([3.0, 3.0]))
    for bound in bounds(student, [np.nan, np.nan]):
        assert_nan(bound)


@check("6.16", says="columns are drawn together", weight=2)
def test_bootstrap_columns(student, rng):
    one = rng.normal(4, 1, 30)
    got = bounds(student, np.stack([one + 0.5, one], axis=1), "difference")
    assert_close(np.array(got), np.array([0.5, 0.5]))


@check("6.16", says="the same seed, the same bounds; ValueError")
def test_bootstrap_seed(student, rng):
    values = rng.normal(size=30)
    first, again, other = (bounds(student, values, seed=seed) for seed in (1, 1, 2))
    assert_holds(first == again, f"seed 1 gives {first}, and then {again}")
    assert_holds(first != other, f"seeds 1 and 2 both give {first}")
    for options in ({"level": 1.0}, {"level": 0.0}, {"size": 0}, {"resamples": 0}):
        assert_raises(ValueError, student.build, "bounds", values, "mean", options)
