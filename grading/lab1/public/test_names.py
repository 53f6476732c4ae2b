"""Tasks 1.1 and 1.2: the vocabulary, and names as ids."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_each,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_raises,
    check,
    naming,
)
from grading.lab1.networks import SPECIALS

ENCODED = ("inputs", "targets", "mask")
VOCABULARY = [*SPECIALS, " ", "'", "-", "A", "B", "a", "b", "d", "o"]

# Task 1.1: the vocabulary


@check("1.1", says="SPECIALS, then every character once, by rising code point", weight=3)
def test_vocabulary_order(student, solution):
    assert_equal(student.build_vocabulary(["Bob", "abba"]), [*SPECIALS, *"Babo"])
    names = ["Zoe", "ada", "Zeno", "b"]
    assert_equal(student.build_vocabulary(names), solution.build_vocabulary(names))


@check("1.1", says="spaces, hyphens, apostrophes and capitals are characters like any other")
def test_vocabulary_marks(student):
    names = ["O'Nan", "Le-a n", "ANNA", "Nána"]
    assert_equal(student.build_vocabulary(names), [*SPECIALS, *" '-ALNOaená"])


@check("1.1", says="names may come from a generator")
def test_vocabulary_generator(student):
    got = student.build("vocabulary_of_generator", ["Bob", "abba"])
    assert_equal(got, [*SPECIALS, *"Babo"])


@check("1.1", says="without characters there is a ValueError")
def test_vocabulary_empty(student):
    for names in ([], [""], ["", ""]):
        assert_raises(ValueError, student.build_vocabulary, names)


# Task 1.2: names as ids


@check("1.2", says="three arrays (names, longest name + 1): int32, int32 and bool")
def test_encode_contract(student):
    for names, length in ((["Ada"], 4), (["Bob", "Ada-Bob", "A"], 8), ([""], 1)):
        arrays = assert_parts(student.encode_names(names, VOCABULARY), *ENCODED)
        for part, array, dtype in zip(ENCODED, arrays, ("int32", "int32", "bool"), strict=True):
            with naming(part):
                array = assert_array(array, (len(names), length), dtype[0])
                assert_holds(array.dtype == dtype, f"expected dtype {dtype}, got {array.dtype}")


@check("1.2", says="inputs begin with START, targets are the inputs shifted by one", weight=3)
def test_encode_shift(student):
    answer = student.encode_names(["Ada"], VOCABULARY)
    got = assert_parts(answer, *ENCODED)[:2]
    want = np.array([[1, 6, 10, 8]]), np.array([[6, 10, 8, 2]])
    assert_each(ENCODED[:2], got, want, assert_equal)


@check("1.2", says="one row a name, filled on the right with PAD", weight=3)
def test_encode_rows(student, solution):
    names = ["Bob", "Ada-Bob", "", "A'da ob", "Aa"]
    want = solution.encode_names(names, VOCABULARY)
    got = assert_parts(student.encode_names(names, VOCABULARY), *ENCODED)
    assert_each(ENCODED[:2], got[:2], want[:2], assert_equal)


@check("1.2", says="the mask is True at targets, END among them, False at padding", weight=2)
def test_encode_mask(student):
    answer = student.encode_names(["Ada", "", "Bo"], VOCABULARY)
    *_, mask = assert_parts(answer, *ENCODED)
    with naming("mask"):
        assert_equal(mask, np.arange(4) < np.array([[4], [1], [3]]))


@check("1.2", says="no names, or an unknown character: ValueError, which names it and the name")
def test_encode_errors(student):
    assert_raises(ValueError, student.encode_names, [], VOCABULARY)
    for names in (["Ada", "Boß"], ["Ab÷o"]):
        message = assert_raises(ValueError, student.encode_names, names, VOCABULARY)
        for word in (names[-1], "ß" if "ß" in names[-1] else "÷"):
            assert_holds(word in message, f"the message does not name {word!r}: {message}")
