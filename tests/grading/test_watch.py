"""`make watch` grades what a save changed, what was edited first, and prints each at once."""

import os
import signal

import pytest

from grading.core.collect import chosen, collect
from grading.core.run import run_checks
from grading.core.session import Session
from grading.doors.watch import changed_tasks, judge, snapshot
from labs.course.catalogue import load_lab

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


@pytest.mark.parametrize(
    "value", [" + ".join(["'a'"] * 420), f"0x{'f' * 4000}"], ids=["deep sum", "long number"]
)
def test_what_python_cannot_spell_is_still_seen_to_change(session, value):
    before = snapshot(session(f"{SOLUTION}\nLONG = {value}\n"))
    after = snapshot(session(f"{SOLUTION}\nLONG = 1 + {value}\n"))
    assert changed_tasks(LAB, before, before) == []
    assert changed_tasks(LAB, before, after) == IDS


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


@pytest.mark.parametrize("task", ["3.4", "3.9"])
def test_checks_side_by_side_give_the_verdict_of_one_after_another(session, task):
    wrong = SOLUTION.replace("for start in range(0,", "for start in range(1,")
    source = wrong.replace("if position < primer_length - 1:", "if position < primer_length:")
    checks = collect(LAB)
    results = []
    for at_once in (1, 3):
        one = session(source, checks)
        run_checks(one, chosen(checks, [task], public=False), at_once)
        results.append(one.result.without_times())
    assert results[0] == results[1]
    outcomes = {check["outcome"] for check in results[0]["tasks"][int(task[-1]) - 1]["checks"]}
    assert outcomes == {"passed", "failed"}


def test_ctrl_c_ends_what_runs_beside_it(session):
    def interrupted(student):
        student.masked_accuracy([0], [[0.0]])
        os.kill(os.getpid(), signal.SIGINT)

    def endless(student):
        student.build_vocabulary([])

    source = SOLUTION.replace(
        "counts = Counter(token", "while True: pass\n    counts = Counter(token"
    )
    named = {check.task: check for check, _ in collect(LAB)}
    checks = [(named["3.3"], endless), (named["3.3"], interrupted)]
    one = session(source, checks)
    clones = []
    make, one.clone = one.clone, lambda lane: clones.append(make(lane)) or clones[-1]
    with pytest.raises(KeyboardInterrupt):
        run_checks(one, checks, 2)
    one.close()
    messages = [check.message for check in one.result.task("3.3").checks]
    assert not any("endless loop" in message for message in messages)  # it was not waited for
    assert all(worker.dead for clone in clones for worker in clone.workers.values())
