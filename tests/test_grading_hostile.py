"""No value that a worker can send breaks a check: the check fails, and the grader goes on."""

import numpy as np
import pytest

from grading.checks import assert_equal
from grading.proxy import Code
from grading.session import Session, collect, with_its_fixtures
from grading.worker.codec import MusicXML, Opaque
from labs.catalogue import load_lab

pytestmark = pytest.mark.xdist_group("grading")
LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
CHECKS = {check.name: (check, test) for check, test in collect(LAB)}

JUNK = [
    *(None, True, 7, -1, 2**62, 1.5, float("nan"), float("inf"), "text", "\u202e\x1b[31m", ""),
    *([], (), {}, [None], [[]], [[1], 2], {"a": 1}, {None: [1]}, [[np.ones(2)], [3]], [{}], ((),)),
    *(np.zeros(dtype=dtype, shape=()) for dtype in ("bool", "uint64", "float16")),
    *(np.ones(dtype=dtype, shape=(3, 4)) for dtype in ("bool", "int8", "uint64", "float64")),
    *(np.zeros((0, 5)), np.zeros((0, 2**30)), np.full(10_000, 2**63, "u8"), np.full(40, np.nan)),
    *(MusicXML(""), MusicXML("<!DOCTYPE x>"), MusicXML("<score-partwise/>"), MusicXML("\ud800")),
    *(Opaque(0), Opaque(2**39), [Opaque(0)], (Opaque(0), Opaque(1)), (Opaque(9), Opaque(9))),
    {"embedding/embeddings": np.ones((11, 5), "f4"), "logits/kernel": np.ones((0, 9, 9), "f2")},
    {"x" * 2000: np.ones(3, "f4"), 7: np.ones(3, "f4")},
    {"name": "m", "kind": "M", "inputs": [3], "outputs": [], "layers": [], "weights": 0},
    {"name": "m", "kind": "M", "inputs": [["x"]], "outputs": [], "layers": [1], "weights": 0},
    [np.ones((3, 11)), *[np.full((3, 6), np.nan)] * 4],
    [[1, 5, 6, 2**62], [1, 7, 4, -5]],
]


@pytest.fixture(scope="module")
def answers():
    """Run a check on the solution, but answer its n-th question with something else."""
    session = Session(LAB, "solution", [check for check, _ in CHECKS.values()], accept_open=True)

    def run(name, place, junk):
        check, test = CHECKS[name]
        honest = session.asking(check, session.result.task(check.task), False)
        asked = 0

        def ask(**question):
            nonlocal asked
            asked += 1
            return junk if asked - 1 == place else honest(**question)

        student = Code(ask, session.submission.place)
        reference = Code(session.reference_ask(10))
        session.allow(session.worker(check, session.result.task(check.task), False), check)
        with_its_fixtures(test)(student, reference, session.rng(check))
        return asked

    yield run
    session.close()


def draws(count, seed):
    rng = np.random.default_rng(seed)
    names = sorted(CHECKS)
    return [
        (names[rng.integers(len(names))], int(rng.choice([0, 0, 0, 1, 1, 2, 3, 5])), place)
        for place in rng.integers(len(JUNK), size=count)
    ]


def only_fails(answers, name, place, junk):
    try:
        answers(name, place, junk)
    except AssertionError:
        pass
    except Exception as error:
        pytest.fail(f"{name}, question {place} answered with {junk!r:.80}: {error!r:.300}")


def test_a_hostile_answer_fails_the_check_and_no_more(answers):
    for name, place, junk in draws(60, 0):
        only_fails(answers, name, place, JUNK[junk])


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_hostile_answers_fail_the_check_and_no_more(answers, seed):
    for name, place, junk in draws(250, seed):
        only_fails(answers, name, place, JUNK[junk])


def test_lists_of_arrays_inside_lists_are_compared_and_never_ask_an_array_for_truth():
    with pytest.raises(AssertionError):
        assert_equal([[np.array([1, 2])]], [[1, 2]])
    with pytest.raises(AssertionError):
        assert_equal({"a": np.array([1, 2])}, {"a": [1, 2]})
    assert_equal({"a": [np.array([1])]}, {"a": [np.array([1])]})
