"""Reading a submission beside the grader first: what ends that process costs no other file."""

import os
import signal

import pytest

from grading import rehearsal
from grading.attacks.handed import compiler_crash
from toolkit.paths import ROOT

SOLUTION = ROOT / "labs" / "lab3_notes" / "solution.py"


@pytest.fixture
def stage():
    """The process that forks, as the last call left it."""
    rehearsal.rehearse(SOLUTION)
    return rehearsal._stages[os.getpid()]


def test_a_file_that_crashes_the_compiler_is_told_and_the_next_is_read(tmp_path, stage):
    crash = compiler_crash(tmp_path, SOLUTION.read_text(encoding="utf-8"))
    assert rehearsal.rehearse(crash) == "Python's compiler breaks down over it"
    assert rehearsal.rehearse(SOLUTION) is None
    assert rehearsal._stages[os.getpid()] is stage


def test_what_the_grader_tells_itself_is_no_trouble_here(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f(:\n")
    assert rehearsal.rehearse(wrong) is None
    assert rehearsal.rehearse(tmp_path / "none at all\n.py") is None


def test_ctrl_c_which_a_terminal_sends_to_all_does_not_end_it(stage):
    os.kill(stage.pid, signal.SIGINT)
    assert rehearsal.rehearse(SOLUTION) is None
    assert stage.poll() is None


def test_an_interrupted_rehearsal_leaves_no_answer_behind(stage, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal.json, "dumps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rehearsal.rehearse(SOLUTION)
    monkeypatch.undo()
    assert stage.poll() is not None
    assert rehearsal.rehearse(SOLUTION) is None


def test_one_that_was_ended_meanwhile_is_replaced(stage):
    stage.kill()
    stage.wait()
    assert rehearsal.rehearse(SOLUTION) is None
    assert rehearsal._stages[os.getpid()] is not stage
