"""Reading a submission beside the grader first: what ends that process costs no other file."""

import os
import resource
import signal

import pytest

from grading.core.session import Session
from grading.proofs.attacks.handed import compiler_crash
from grading.sandbox import rehearsal
from grading.sandbox.rehearsal import Rehearsal
from labs.course.catalogue import load_lab
from labs.course.submission import Flaw
from toolkit.paths import ROOT

SOLUTION = ROOT / "labs" / "lab3_notes" / "solution.py"


@pytest.fixture
def stage():
    """The process that forks, as the last call left it."""
    rehearsal.rehearse(SOLUTION)
    return rehearsal._stages[os.getpid()]


def test_a_file_that_crashes_the_compiler_is_told_and_the_next_is_read(tmp_path, stage):
    crash = compiler_crash(tmp_path, SOLUTION.read_text(encoding="utf-8"))
    assert rehearsal.rehearse(crash).trouble == "Python's compiler breaks down over it"
    assert not rehearsal.rehearse(SOLUTION).trouble
    assert rehearsal._stages[os.getpid()] is stage


def test_what_the_grader_tells_itself_is_no_trouble_here(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("x = 1\ndef f(:\n")
    assert rehearsal.rehearse(wrong) == Rehearsal(flaw=Flaw(2, "invalid syntax"))
    assert rehearsal.rehearse(tmp_path / "none at all\n.py") == Rehearsal()


def nested_finally(depth):
    """Each level's last part is compiled twice."""
    lines = [
        f"{' ' * level}{word}" for level in range(depth) for word in ("try:", " pass", "finally:")
    ]
    return "\n".join([*lines, " " * depth + "x = 1\n"])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (nested_finally(20), "Python needs too much memory to compile it"),
        ("x = " + "lambda: " * 600 + "0\n", "maximum recursion depth exceeded"),
    ],
    ids=["1 kB that takes 4 GB", "lambdas"],
)
def test_a_bomb_for_the_compiler_goes_off_in_bounds(tmp_path, source, words):
    path = tmp_path / "tasks.py"
    path.write_text(source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session = Session(load_lab(3), str(path), [])
    assert words in session.problem
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # in kB
    assert grown < rehearsal.MEMORY >> 11
    assert rehearsal._stages[os.getpid()].poll() is None


def test_what_the_compiler_warns_of_is_nowhere_shown(tmp_path, capfd):
    path = tmp_path / "tasks.py"
    path.write_text("x = 1\n" + "x is 1\n'\\d'\n" * 1000)
    Session(load_lab(3), str(path), [])
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_which_a_terminal_sends_to_all_does_not_end_it(stage):
    os.kill(stage.pid, signal.SIGINT)
    assert rehearsal.rehearse(SOLUTION).code
    assert stage.poll() is None


def test_an_interrupted_rehearsal_leaves_no_answer_behind(stage, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal.json, "dumps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rehearsal.rehearse(SOLUTION)
    monkeypatch.undo()
    assert stage.poll() is not None
    assert rehearsal.rehearse(SOLUTION).code


def test_one_that_was_ended_meanwhile_is_replaced(stage):
    stage.kill()
    stage.wait()
    assert rehearsal.rehearse(SOLUTION).code
    assert rehearsal._stages[os.getpid()] is not stage
