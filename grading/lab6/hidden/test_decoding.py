"""Task 6.10: beam search, with the script of the public checks."""

import numpy as np

from grading.checks.assertions import (
    assert_close,
    assert_equal,
    assert_holds,
    assert_parts,
    check,
    float32,
    int32,
)
from grading.lab6.hidden.oracles import END, PAD, START, Script
from grading.sandbox.proxy import model

NEAR = 1e-3  # what is nearer may change places by rounding
ATOL = 1e-4  # scores are means of tens of float32 logarithms


def decided(rng, steps, num_beams, alpha, vocab_size=7, end=0.0, batch=3, ends_at_once=False):
    """Draw a script and primers so that nothing hangs on a rounding; ids and scores wanted.

    `ends_at_once`: after each primer END is nearly certain, whatever comes elsewhere.
    """
    while True:
        table = rng.normal(0, 1.5, (31, vocab_size)).astype("f4")
        table[:, END] += end
        table[:, [PAD, START]] = 6.0  # the likeliest, but forbidden
        primers = rng.integers(3, vocab_size, (batch, int(rng.integers(1, 5))))
        primers[:, 0] = START
        script, rows = Script(table), primers.tolist()
        if ends_at_once:
            table[[script.row(row) for row in rows], END] = 12.0
        found = [script.search(row, steps, num_beams, alpha) for row in rows]
        if min(gap for _, _, gap in found) > NEAR:
            ids = np.zeros((batch, steps), "i4")
            for row, (best, _, _) in zip(ids, found, strict=True):
                row[: len(best)] = best
            return script, primers.astype("i4"), ids, np.array([score for _, score, _ in found])


def assert_found(answer, want, scores):
    """Demand ids and scores."""
    ids, got = assert_parts(answer, "ids", "scores")
    assert_equal(int32(ids, want.shape), want)
    assert_close(float32(got, scores.shape), scores, atol=ATOL)


@check("6.10", says="the best, for any primers, beams, alpha and slots", weight=3, hidden=True)
def test_beam_random(student, rng):
    for alpha in (0.0, 1.0, float(rng.uniform(0.3, 1.6))):
        steps, num_beams = int(rng.integers(6, 9)), int(rng.integers(2, 5))
        drawn = decided(rng, steps, num_beams, alpha, end=float(rng.uniform(-1, 1)))
        script, primers, ids, scores = drawn
        made = model(student.build("scripted_model", script.table))
        answer = student.beam_search(
            made, primers, steps, num_beams, alpha, slots=int(rng.integers(2, 5))
        )
        assert_found(answer, ids, scores)


@check("6.10", says="with enough beams, the same as trying all continuations", hidden=True)
def test_beam_brute_force(student, rng):
    alpha = float(rng.uniform(0.2, 1.5))
    script, primers, ids, scores = decided(rng, 4, 60, alpha, vocab_size=5, batch=2)
    for primer, row, score in zip(primers.tolist(), ids, scores, strict=True):
        best, found = script.best(primer, 4, alpha)  # the search's definition and this one agree
        assert best == row[row != PAD].tolist()
        assert abs(found - score) < 1e-9
    made = model(student.build("scripted_model", script.table))
    assert_found(student.beam_search(made, primers, 4, 60, alpha), ids, scores)


@check("6.10", says="it stops when no open continuation can win", hidden=True)
def test_beam_stops(student, rng):
    drawn = decided(rng, 30, 2, 0.0, end=-20.0, batch=1, ends_at_once=True)
    script, primers, ids, scores = drawn
    made = model(student.build("scripted_model", script.table))
    assert_found(student.beam_search(made, primers, 30, 2, 0.0, slots=30), ids, scores)
    # the other beam hardly ever ends, and has lost from the first step on
    steps = student.build("num_steps", made)
    assert_holds(type(steps) is int and steps <= 3, "steps of the model after all is decided")


@check("6.10", says="compiled as a whole it finds the same, and is traced once", hidden=True)
def test_beam_program(student, rng):
    script, primers, ids, scores = decided(rng, 12, 3, 1.0)
    made = model(student.build("scripted_model", script.table))
    options = {"steps": 12, "num_beams": 3, "slots": 6}
    assert_found(student.build("search_in_graph", made, primers, options), ids, scores)
    # twelve steps as two loops, whose bodies are traced once or a few times
    steps = student.build("num_steps", made)
    assert_holds(type(steps) is int and steps < 12, "the steps are not one loop")
