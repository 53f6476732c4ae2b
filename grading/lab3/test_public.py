"""Lab 3's public checks: what a student may read, run and learn from."""

import numpy as np

from grading.checks import assert_close, assert_equal, assert_raises, check

# Task 3.3: the vocabulary


@check("3.3", says="the specials come first, then tokens by falling count")
def test_vocabulary_order(student, solution):
    pieces = [["b", "a", "b"], ["c", "b", "a"]]
    assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


# Task 3.8: sampling


@check("3.8", says="temperature 0 is argmax")
def test_argmax(student, rng):
    logits = rng.normal(size=(50, 7))
    assert_equal(student.sample_next(logits, temperature=0.0), logits.argmax(axis=1))
