"""No value that a worker can send breaks a check: the check fails, and the grader goes on."""

import traceback
from contextlib import suppress
from itertools import count

import numpy as np
import pytest

from grading.checks.assertions import CheckFailed, as_text, assert_equal
from grading.core.collect import collect, with_its_fixtures
from grading.core.session import Session
from grading.sandbox.proxy import Code
from grading.sandbox.worker.codec import MusicXML, Opaque
from grading.sandbox.workers import WorkerDied
from labs.course.catalogue import all_labs
from toolkit.paths import ROOT

LABS = [
    # beside the bank's answers, which need the same zygote
    pytest.param(lab, marks=pytest.mark.xdist_group(f"bank{lab.number}"), id=f"lab{lab.number}")
    for lab in all_labs()
    if (ROOT / f"grading/lab{lab.number}/public").is_dir()
]

NOTE = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>"
SCORE = (
    '<score-partwise version="4.0"><part-list><score-part id="P1"><part-name/></score-part>'
    '</part-list><part id="P1"><measure number="1"><attributes><divisions>1</divisions>'
    "</attributes>{}</measure></part></score-partwise>"
)

JUNK = [
    *(None, True, 7, -1, 2**62, 1.5, float("nan"), float("inf"), "text", "\u202e\x1b[31m", ""),
    *([], (), {}, [None], [[]], [[1], 2], {"a": 1}, {None: [1]}, [[np.ones(2)], [3]], [{}], ((),)),
    *(np.zeros(dtype=dtype, shape=()) for dtype in ("bool", "uint64", "float16")),
    *(np.ones(dtype=dtype, shape=(3, 4)) for dtype in ("bool", "int8", "uint64", "float64")),
    *(np.zeros((0, 5)), np.zeros((0, 2**30)), np.full(10_000, 2**63, "u8"), np.full(40, np.nan)),
    *(MusicXML(""), MusicXML("<!DOCTYPE x>"), MusicXML("<score-partwise/>"), MusicXML("\ud800")),
    *(MusicXML(SCORE.format(NOTE * number)) for number in (1, 4_500)),
    *({"a": Opaque(0)}, [{"a": [Opaque(2)]}], {"embedding/embeddings": Opaque(1)}),
    *(Opaque(0), Opaque(2**39), [Opaque(0)], (Opaque(0), Opaque(1)), (Opaque(9), Opaque(9))),
    {"embedding/embeddings": np.ones((11, 5), "f4"), "logits/kernel": np.ones((0, 9, 9), "f2")},
    {"x" * 2000: np.ones(3, "f4"), 7: np.ones(3, "f4")},
    {"name": "m", "kind": "M", "inputs": [3], "outputs": [], "layers": [], "weights": 0},
    {"name": "m", "kind": "M", "inputs": [["x"]], "outputs": [], "layers": [1], "weights": 0},
    [np.ones((3, 11)), *[np.full((3, 6), np.nan)] * 4],
    [[1, 5, 6, 2**62], [1, 7, 4, -5]],
]


class Impostor:
    """The solution's worker, whose n-th answer is another."""

    def __init__(self, lab):
        self.checks = {check.name: (check, test) for check, test in collect(lab)}
        declared = [check for check, _ in self.checks.values()]
        self.session = Session(lab, "solution", declared, accept_open=True)

    def run(self, name, place, junk):
        """Run a check; its question number `place` gets `junk` for an answer."""
        check, test = self.checks[name]
        task = self.session.result.task(check.task)
        honest = self.session.asking(check, task, False)
        questions = count()

        def ask(**question):
            return junk if next(questions) == place else honest(**question)

        self.session.allow(self.session.worker(check, task, False), check)
        student = Code(ask, self.session.submission.place)
        reference = Code(self.session.reference.dialogue(70).ask)
        reader = Code(self.session.read)
        with_its_fixtures(test)(student, reference, reader, self.session.rng(check))

    def only_fails(self, seed, samples):
        """Demand of random checks that nothing but a failed check comes of it."""
        broken = []
        rng = np.random.default_rng(seed)
        names = sorted(self.checks)
        for _ in range(samples):
            name = names[rng.integers(len(names))]
            place, junk = int(rng.choice([0, 0, 0, 1, 1, 2, 3, 5])), JUNK[rng.integers(len(JUNK))]
            try:
                self.run(name, place, junk)
            except AssertionError:
                continue
            except Exception as error:
                place_of = traceback.extract_tb(error.__traceback__)[-1]
                told = f"{place_of.filename}:{place_of.lineno} {error!r:.200}"
                broken.append(f"{name}, question {place} answered {as_text(junk)}: {told}")
        assert not broken, "\n".join(broken)


@pytest.fixture(scope="module", params=LABS)
def impostor(request):
    made = Impostor(request.param)
    yield made
    made.session.close()


def test_a_hostile_answer_fails_the_check_and_no_more(impostor):
    impostor.only_fails(seed=0, samples=8)


@pytest.mark.verify
def test_many_hostile_answers_fail_the_check_and_no_more(impostor):
    impostor.only_fails(seed=1, samples=150)


def test_what_ends_the_reader_is_no_error_of_the_grader(impostor, monkeypatch):
    class Ended:
        dead = None

        def allow(self, cpu_seconds):
            pass

        def ask(self, **question):
            raise WorkerDied("used over 10 s of CPU")

    monkeypatch.setattr(impostor.session, "reader", Ended())
    with pytest.raises(CheckFailed, match="what came back cannot be read"):
        impostor.session.read(do="build", name="read_score", args=["<a/>"], kwargs={})


def test_a_score_of_more_notes_than_an_answer_may_hold_is_no_error_of_the_grader(impostor):
    if impostor.session.lab.number != 3:
        pytest.skip("only Lab 3 reads scores")
    for score in (SCORE.format(NOTE * 4_500), "<a/>"):
        question = {"args": [score], "kwargs": {}}
        with suppress(CheckFailed):
            assert impostor.session.read(do="build", name="read_score", **question) is None


def test_lists_of_arrays_inside_lists_are_compared_and_never_ask_an_array_for_truth():
    with pytest.raises(AssertionError):
        assert_equal([[np.array([1, 2])]], [[1, 2]])
    with pytest.raises(AssertionError):
        assert_equal({"a": np.array([1, 2])}, {"a": [1, 2]})
    assert_equal({"a": [np.array([1])]}, {"a": [np.array([1])]})
