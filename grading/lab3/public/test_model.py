"""Tasks 3.5 to 3.9: the network, its loss and accuracy, sampling, generation."""

from grading.checks import assert_equal, check

# Task 3.8: sampling


@check("3.8", says="temperature 0 is argmax")
def test_argmax(student, rng):
    logits = rng.normal(size=(50, 7))
    assert_equal(student.sample_next(logits, temperature=0.0), logits.argmax(axis=1))
