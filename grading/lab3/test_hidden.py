"""Lab 3's hidden checks: inputs are the student's own, and only the property is told."""

from grading.checks import assert_equal, check


@check("3.3", says="a minimum count leaves rare tokens out", hidden=True)
def test_vocabulary_minimum(student, solution):
    pieces = [["b", "a", "b"], ["c", "b", "a"]]
    assert_equal(student.build_vocabulary(pieces, 2), solution.build_vocabulary(pieces, 2))
