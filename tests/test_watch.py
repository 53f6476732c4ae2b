"""`make watch` grades what a save changed, what was edited first, and prints each at once."""

import pytest

from grading.session import Session, collect
from grading.watch import changed_tasks, judge, snapshot
from labs.catalogue import load_lab

LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
IDS = [task.id for task in LAB.tasks]


@pytest.fixture
def session(tmp_path):
    def make(source, checks=()):
        path = tmp_path / "tasks.py"
        path.write_text(source, encoding="utf-8")
        return Session(LAB, str(path), [check for check, _ in checks])

    return make


def test_what_was_edited_comes_first_then_what_builds_on_it():
    before = dict.fromkeys(IDS, "as it was")
    assert changed_tasks(LAB, before, before) == []
    assert changed_tasks(LAB, before, before | {"3.8": "new"}) == ["3.8", "3.9"]
    assert changed_tasks(LAB, before, before | {"3.9": "new", "3.1": "new"}) == ["3.1", "3.9"]
    assert changed_tasks(LAB, {}, before) == IDS


def test_layout_is_no_change_and_what_stands_outside_belongs_to_all(session):
    before = snapshot(session(SOLUTION))
    assert list(before) == IDS
    assert snapshot(session(SOLUTION.replace("\n\n\n", "\n\n\n\n# a comment\n"))) == before
    other = snapshot(session(f"{SOLUTION}\nLIMIT = 3\n"))
    assert changed_tasks(LAB, before, other) == IDS
    assert snapshot(session("def f(:")) == {}


class Seen:
    """A check that notes what has been printed by the time it runs."""

    def __init__(self, capsys, output):
        self.capsys, self.output = capsys, output

    def __call__(self):
        self.output.append(self.capsys.readouterr().out)


def test_a_verdict_is_printed_before_the_next_task_is_graded(session, capsys):
    output: list[str] = []
    named = {check.task: check for check, _ in collect(LAB) if not check.hidden}
    checks = [(named[task], Seen(capsys, output)) for task in ("3.3", "3.4")]
    judge(session(SOLUTION, checks), checks, ["3.4", "3.3"], public=False)
    output.append(capsys.readouterr().out)
    verdicts = [[word for word in ("3.3  ", "3.4  ") if word in part] for part in output]
    assert verdicts == [[], ["3.4  "], ["3.3  "]]


def test_a_file_that_cannot_be_read_is_one_sentence(session, capsys):
    judge(session("def f(:"), [], [], public=False)
    output = capsys.readouterr().out
    assert "Python cannot read this line" in output
    assert "3.1" not in output
