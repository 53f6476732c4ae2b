"""Tasks 1.1 and 1.2: the vocabulary, and names as ids."""

import numpy as np

from grading.checks.assertions import assert_equal, assert_holds, assert_parts, assert_raises, check
from grading.lab1.networks import SPECIALS

CHARACTERS = np.array(list(" '-ABCDEFXYZabcdefxyzàéöß"))


def random_names(rng: np.random.Generator, count: int = 8) -> list[str]:
    """Draw names of 0 to 9 characters."""
    return ["".join(rng.choice(CHARACTERS, rng.integers(0, 10)).tolist()) for _ in range(count)]


# Task 1.1: the vocabulary


@check("1.1", says="every character that occurs, once, by rising code point", weight=2, hidden=True)
def test_vocabulary_random(student, solution, rng):
    for count in (2, 5, 20):
        names = [*random_names(rng, count), "Xá"]
        assert_equal(student.build_vocabulary(names), solution.build_vocabulary(names))


@check("1.1", says="a generator is read once", hidden=True)
def test_vocabulary_random_generator(student, solution, rng):
    names = ["Ñu", *random_names(rng), "Zed"]
    got = student.build("vocabulary_of_generator", names)
    assert_equal(got, solution.build_vocabulary(names))
    assert_raises(ValueError, student.build, "vocabulary_of_generator", [""] * len(names))


# Task 1.2: names as ids


@check("1.2", says="framed, shifted and padded rows of any names", weight=3, hidden=True)
def test_encode_random(student, solution, rng):
    vocabulary = [*SPECIALS, *CHARACTERS.tolist()]
    for count in (1, 3, 12):
        names = random_names(rng, count)
        answer = student.encode_names(names, vocabulary)
        got = assert_parts(answer, "inputs", "targets", "mask")
        want = solution.encode_names(names, vocabulary)
        assert_equal(got[0], want[0])
        assert_equal(got[1], want[1])


@check("1.2", says="the mask of any names", hidden=True)
def test_encode_random_mask(student, rng):
    names = random_names(rng)
    answer = student.encode_names(names, [*SPECIALS, *CHARACTERS.tolist()])
    *_, mask = assert_parts(answer, "inputs", "targets", "mask")
    sizes = np.array([len(name) + 1 for name in names])
    assert_equal(mask, np.arange(sizes.max()) < sizes[:, None])


@check("1.2", says="an id is the character's position in the vocabulary", hidden=True)
def test_encode_other_order(student, solution, rng):
    vocabulary = [*SPECIALS, *rng.permutation(CHARACTERS).tolist()]
    names = random_names(rng)
    got = assert_parts(student.encode_names(names, vocabulary), "inputs", "targets", "mask")
    assert_equal(got[0], solution.encode_names(names, vocabulary)[0])


@check("1.2", says="the message names the unknown character and its name", hidden=True)
def test_encode_unknown(student, rng):
    vocabulary = [*SPECIALS, *CHARACTERS[CHARACTERS != "Z"].tolist()]
    names = [*(name.replace("Z", "z") for name in random_names(rng)), "Zed", "Abe"]
    message = assert_raises(ValueError, student.encode_names, names, vocabulary)
    named = "Zed" in message and "Z" in message.replace("Zed", "")
    assert_holds(named, "the message lacks the character or the name")
