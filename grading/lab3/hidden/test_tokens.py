"""Tasks 3.1 to 3.4: music to tokens and back, vocabulary, windows."""

from grading.checks import assert_equal, check

# Task 3.3: the vocabulary


@check("3.3", says="a minimum count leaves rare tokens out", hidden=True)
def test_vocabulary_minimum(student, solution):
    pieces = [["b", "a", "b"], ["c", "b", "a"]]
    assert_equal(student.build_vocabulary(pieces, 2), solution.build_vocabulary(pieces, 2))
