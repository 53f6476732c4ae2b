"""Task 6.10: beam search.

The model is mostly a script (`Scripted` in grading/lab6/builders.py): its logits are a row of a
table, and which row depends on each id in the cache and on its place.
"""

import numpy as np

from grading.checks.assertions import (
    assert_close,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_raises,
    check,
    float32,
    int32,
    naming,
)
from grading.lab6.networks import MODELS, pair
from grading.sandbox.proxy import model

PAD, START, END = range(3)
ATOL = 1e-4  # scores are means of tens of float32 logarithms, each of about 1 to 20


def scripts(codes, rng, vocab_size=9, end=0.0):
    """Build the same script in each worker; `end` is added to the logits of END."""
    table = rng.normal(0, 1.5, (31, vocab_size)).astype("f4")
    table[:, END] += end
    table[:, [PAD, START]] = 6.0  # the likeliest, but forbidden
    return [model(code.build("scripted_model", table)) for code in codes]


def some_primers(rng, batch, length):
    """Draw primers."""
    primers = rng.integers(3, 9, (batch, length))
    primers[:, 0] = START
    return primers.astype("i4")


def found(answer, batch, steps):
    """Demand ids and scores."""
    ids, scores = assert_parts(answer, "ids", "scores")
    return int32(ids, (batch, steps)), float32(scores, (batch,))


def assert_search(student, solution, models, primers, steps, num_beams, alpha, **options):
    """Demand the solution's continuations and scores."""
    given = (primers, steps, num_beams, alpha)
    want = solution.beam_search(models[1], *given, **options)
    got = found(student.beam_search(models[0], *given, **options), len(primers), steps)
    with naming(f"with {num_beams} beams and alpha {alpha}"):
        with naming("ids"):
            assert_equal(got[0], want[0])
        with naming("scores"):
            assert_close(got[1], want[1], atol=ATOL)


@check("6.10", says="ids up to END, then PAD, never START; ValueError")
def test_beam_contract(student, rng):
    (made,) = scripts([student], rng, end=2.0)
    for batch, length, steps in ((1, 1, 1), (4, 3, 6)):
        primers = some_primers(rng, batch, length)
        ids, scores = found(student.beam_search(made, primers, steps, 3), batch, steps)
        for row in ids.tolist():
            before = row[: row.index(END)] if END in row else row
            after = row[row.index(END) + 1 :] if END in row else []
            assert_holds(all(id > END for id in before), f"ids before END should be above 2: {row}")
            assert_holds(not any(after), f"after END ({END}) all should be PAD ({PAD}): {row}")
        assert_holds((scores <= 0).all(), f"a score above 0: {scores}")
    assert_raises(ValueError, student.beam_search, made, primers, 4, 0)
    assert_raises(ValueError, student.beam_search, made, primers, 4, 2, -0.5)


@check("6.10", says="one beam is greedy decoding, whatever alpha", weight=2)
def test_beam_greedy(student, solution, rng):
    models = scripts((student, solution), rng, end=1.0)
    primers, noise = some_primers(rng, 4, 3), np.zeros((4, 8, 9), "f4")
    greedy = solution.generate(models[1], primers, noise)
    for alpha in (0.0, 1.0):
        ids, _ = found(student.beam_search(models[0], primers, 8, 1, alpha), 4, 8)
        with naming(f"with alpha {alpha}"):
            assert_equal(ids, greedy)


@check("6.10", says="with enough beams, the best of all continuations", weight=2)
def test_beam_all(student, solution, rng):
    models = scripts((student, solution), rng, vocab_size=5)
    primers = np.minimum(some_primers(rng, 3, 2), 4)
    for alpha in (0.0, 0.6, 1.0):  # 3 + 3·3 + … continuations, beams wider than the vocabulary
        assert_search(student, solution, models, primers, 4, 40, alpha)


@check("6.10", says="the best by log-probability / length^alpha, END counted", weight=3)
def test_beam_script(student, solution, rng):
    models = scripts((student, solution), rng, end=0.5)
    primers = some_primers(rng, 4, 3)
    for num_beams, alpha in ((2, 0.0), (3, 1.0), (4, 0.7), (3, 2.0)):
        assert_search(student, solution, models, primers, 9, num_beams, alpha)


@check("6.10", says="the model's own keys and values go with each beam", weight=2)
def test_beam_model(student, solution, rng):
    for settings in MODELS.values():
        models = pair(student, solution, rng, "LanguageModel", **settings)
        primers = some_primers(rng, 2, 3)
        assert_search(student, solution, models, primers, 8, 3, 1.0, slots=4)


@check("6.10", says="slots change nothing: the cache moves and goes on", weight=2)
def test_beam_slots(student, solution, rng):
    models = scripts((student, solution), rng, end=-1.0)
    primers = some_primers(rng, 3, 3)
    for slots in (1, 4):
        assert_search(student, solution, models, primers, 9, 3, 0.8, slots=slots)
