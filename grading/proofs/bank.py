"""The grader is graded: wrong answers its checks must catch, right ones they must leave alone.

`python -m grading.bank [--lab 3] [--only 3_4_shift_by_two] [--all-tasks] [--read]`. A lab's bank is
`grading/labN/bank`: in `3_4.toml` the wrong answers to a task, each as the edits that make it of
the solution, or of a right answer (`base`), and with the properties that must fail, by what their
checks say; in `right/3_4_unusual.py` an unusual right one, a sentence and a definition that takes
the place of the solution's, with what it needs. A wrong answer that is another algorithm altogether
stands in `wrong/3_4_name.py`, and in the table without edits.
"""

import argparse
import ast
import copy
import tempfile
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from grading.classroom.run import state_of
from grading.core.collect import chosen, collect
from grading.core.inputs import drawing_of
from grading.core.processes import reference
from grading.core.reference import Dialogue, Reference
from grading.core.results import TaskResult
from grading.core.run import run_checks
from grading.core.session import Session, Spent
from labs.course.catalogue import Lab, Task, load_lab
from labs.course.definitions import definitions
from labs.course.stubs import replaced
from toolkit.console import progress, run_command, say, table
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

ROUNDING = 1e-3  # points
# of the sets of hidden inputs, anew with each state of a lab: what differs by the set is found in
# the end, and sooner by more answers than by more sets
DRAWN = 4
KEYS = {"name", "says", "base", "edits", "fails"}


@dataclass(frozen=True)
class Entry:
    """One answer of the bank.

    Attributes
    ----------
    name
        The task and a word for it, "3_4_shift_by_two".
    wrong
        Whether it must lose points.
    says
        What is wrong with it, or unusual.
    answer
        What takes the place of the solution's definition.
    fails
        What the checks say that must fail, all of them and no other.
    """

    lab: Lab
    task: Task
    name: str
    wrong: bool
    says: str
    answer: str
    fails: frozenset[str] = frozenset()

    @property
    def replaces_only(self) -> bool:
        """Whether a definition is all that it changes in the solution."""
        return len(ast.parse(self.answer).body) == 1

    def source(self) -> str:
        """The solution with this answer to its task."""
        solution = self.lab.solution_file.read_text(encoding="utf-8")
        return replaced(solution, self.task.name, self.answer)


@dataclass(frozen=True)
class Verdict:
    """Points that an entry lost, what failed, and what the grader got wrong on the way."""

    entry: Entry
    on_its_task: float
    elsewhere: float
    failed: dict[str, str]  # what a failed check of its task says, and what a student reads
    errors: tuple[str, ...]
    differing: tuple[str, ...]  # what hidden checks say that end otherwise for another student
    strange: bool  # whether a public check asked what a student's copy has not recorded

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it is not as expected.

        A wrong answer loses points on its own task only, by just the checks that it names; a right
        one nowhere.
        """
        found = [f"the grader's own error in {error}" for error in self.errors]
        found += [f"another student's points differ: {says}" for says in self.differing]
        if self.strange:
            found.append("a public check asks the solution what hangs on the submission")
        if self.elsewhere > ROUNDING:
            found.append(f"it lost {self.elsewhere:.2f} elsewhere")
        if self.entry.wrong and self.on_its_task < ROUNDING:
            found.append("it lost nothing")
        passed, failed = self.entry.fails - set(self.failed), set(self.failed) - self.entry.fails
        found += [f"it should fail, and passes: {says}" for says in sorted(passed)]
        found += [f"it should pass, and fails: {says}" for says in sorted(failed)]
        return tuple(found)


def bank(lab: Lab) -> Path:
    """Where a lab's bank is."""
    return ROOT / "grading" / f"lab{lab.number}" / "bank"


def entries(lab: Lab) -> list[Entry]:
    """A lab's bank, task by task, wrong answers first.

    Raises
    ------
    EtudeError
        If a file is not named after a task, or an edit does not fit what it edits.
    """
    right = {path.stem: path.read_text(encoding="utf-8") for path in bank(lab).glob("right/*.py")}
    found: list[Entry] = []
    for path in bank(lab).glob("[0-9]*.toml"):
        found += wrong_answers(lab, path, right)
    for name, text in right.items():
        says = ast.get_docstring(ast.parse(text)) or ""
        found.append(Entry(lab, task_of(lab, name), name, False, says, text))
    order = [task.id for task in lab.tasks]
    return sorted(
        found, key=lambda entry: (order.index(entry.task.id), not entry.wrong, entry.name)
    )


def task_of(lab: Lab, name: str) -> Task:
    """The task that a file's name begins with, "3_4"."""
    return lab.task(".".join(name.split("_")[:2]))


def wrong_answers(lab: Lab, path: Path, right: dict[str, str]) -> Iterator[Entry]:
    """The wrong answers to one task.

    Parameters
    ----------
    right
        The texts of right answers, which an entry may have as its base.
    """
    task = task_of(lab, path.stem)
    solution = lab.solution_file.read_text(encoding="utf-8")
    found = definitions(solution)[task.name]
    own = "\n".join(solution.splitlines()[found.line - 1 : found.end_line]) + "\n"
    for facts in tomllib.loads(path.read_text(encoding="utf-8"))["wrong"]:
        name = f"{path.stem}_{facts['name']}"
        if unknown := facts.keys() - KEYS:
            raise EtudeError(f"{shown(path)}, {name}: {sorted(unknown)[0]} is no part of an entry")
        base = f"{path.stem}_{facts['base']}" if "base" in facts else ""
        if base and base not in right:
            raise EtudeError(
                f"{shown(path)}, {name}: there is no right answer {base} to begin with"
            )
        if "edits" in facts:
            answer = edited(right[base] if base else own, facts, f"{shown(path)}, {name}")
        else:
            answer = (path.parent / "wrong" / f"{name}.py").read_text(encoding="utf-8")
        fails = frozenset(facts["fails"])
        yield Entry(lab, task, name, True, facts["says"], answer, fails)


def edited(text: str, facts: dict[str, Any], place: str) -> str:
    """A base with an entry's edits, each of which has one place there.

    Raises
    ------
    EtudeError
        If one has none, or several.
    """
    for find, replacement in facts["edits"]:
        if (times := text.count(find)) != 1:
            first = find.strip().splitlines()[0]
            raise EtudeError(f"{place}: the edit of {first!r} fits {times} places, not 1")
        text = text.replace(find, replacement)
    return text


def tasks_upon(lab: Lab, task: Task) -> list[str]:
    """A task's id and those of all that build on it, directly or not."""
    ids = [task.id]
    for other in lab.tasks:  # a task builds on earlier ones only
        if set(other.builds_on) & set(ids):
            ids.append(other.id)
    return ids


class Judge:
    """Judges a lab's entries one after another, with one worker of the solution for all.

    Parameters
    ----------
    students
        Who hands each entry in: the sets of hidden inputs that its own task meets. What builds on
        it meets the first one's.
    recorded
        Keys of what a student's copy knows of the solution, which public checks may ask; None for
        anything.
    """

    def __init__(
        self,
        lab: Lab,
        students: Sequence[str] = ("local",),
        recorded: frozenset[bytes] | None = None,
    ):
        self.lab = lab
        self.students = students
        self.recorded = recorded
        self.checks = collect(lab)
        self.reference = Overheard(reference(lab))

    def judge(self, entry: Entry, tasks: list[str]) -> Verdict:
        """Grade the solution with one answer replaced, on its own task and others."""
        with tempfile.TemporaryDirectory(prefix="etude-bank-") as folder:
            path = Path(folder) / "tasks.py"
            path.write_text(entry.source(), encoding="utf-8")
            declared = [check for check, _ in self.checks]
            # these answers are our own: no machine is too open for them
            session = Session(self.lab, str(path), declared, self.students[0], accept_open=True)
            session.reference = self.reference
            try:
                return self.verdict(session, entry, tasks)
            finally:
                session.close()

    def verdict(self, session: Session, entry: Entry, tasks: list[str]) -> Verdict:
        """Run what a verdict hangs on; the worker of the entry's task stays across the sets.

        If a definition is all that the entry changes, a second pass of its task runs the code of
        the first one, and that of another task the solution's: neither is run.
        """
        task = session.result.task(entry.task.id)
        second = not entry.replaces_only
        own = chosen(self.checks, [task.id], public=False)
        hidden = [one for one in own if one[0].hidden]
        self.reference.dialogues.clear()
        run_checks(session, [one for one in own if one not in hidden], second=second)
        strange = self.recorded is not None and any(
            dialogue.questions and dialogue.key not in self.recorded
            for dialogue in self.reference.dialogues
        )
        graded = []
        for student in self.students_for(entry):
            session.student, session.spent = student, Spent()
            session.deaths.clear()
            run_checks(session, hidden, second=second)
            graded.append(copy.deepcopy(task))
        session.student, session.spent = self.students[0], Spent()
        others = [id for id in tasks if id != task.id]
        run_checks(session, chosen(self.checks, others, public=False), second=second)
        known = [task.id] if second else tasks_upon(self.lab, entry.task)
        elsewhere = sum(lost(one) for one in session.result.tasks if one.id not in known)
        failed = {
            one.says: one.message for one in graded[0].checks[::-1] if one.outcome == "failed"
        }
        ends = zip(*(one.checks for one in graded), strict=True)
        differing = tuple(
            same[0].says for same in ends if len({check.outcome for check in same}) > 1
        )
        errors = grader_errors([*graded, *session.result.tasks])
        return Verdict(entry, lost(graded[0]), elsewhere, failed, errors, differing, strange)

    def students_for(self, entry: Entry) -> list[str]:
        """Who hands an entry in: a right one all of them, a wrong one the first and one more."""
        first, *rest = self.students
        if entry.wrong and rest:
            rest = [rest[zlib.crc32(entry.name.encode()) % len(rest)]]
        return [first, *rest]


class Overheard(Reference):
    """The solution, and what it was asked."""

    def __init__(self, other: Reference):
        super().__init__(other.start, other.answers)
        self.dialogues: list[Dialogue] = []

    def dialogue(self, cpu: int) -> Dialogue:
        """Begin a check."""
        self.dialogues.append(super().dialogue(cpu))
        return self.dialogues[-1]


def drawn_students(lab: Lab) -> list[str]:
    """Students who meet `DRAWN` sets of hidden inputs; which, hangs on the state of the lab."""
    found: dict[int, str] = {}
    for number in count():
        name = f"{state_of(lab)} {number}"
        found.setdefault(drawing_of(lab, name), name)
        if len(found) == DRAWN:
            break
    return list(found.values())


def lost(task: TaskResult) -> float:
    """Points of the checks that ran and did not pass."""
    return sum(check.points - check.earned for check in task.checks if check.outcome != "not run")


def grader_errors(tasks: Iterable[TaskResult]) -> tuple[str, ...]:
    """Checks that broke in the grader: never a submission's doing."""
    broken = {
        f"{check.name}: {check.message}": None
        for task in tasks
        for check in task.checks
        if check.outcome == "error"
    }
    return tuple(broken)


def main() -> int:
    """Print a table of the bank; 1 if an entry did not fare as it must."""
    parser = argparse.ArgumentParser(prog="python -m grading.bank", description=__doc__)
    parser.add_argument("--lab", default="3")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="3_4_shift_by_two, or 3_4")
    parser.add_argument("--all-tasks", action="store_true", help="not only those that build on it")
    parser.add_argument("--read", action="store_true", help="print what a student reads")
    options = parser.parse_args()
    lab = load_lab(options.lab)
    picked = [
        entry
        for entry in entries(lab)
        if not options.only or any(entry.name.startswith(name) for name in options.only)
    ]
    if not picked:
        raise EtudeError(f"lab {lab.number}'s bank has no entry of that name")
    verdicts, bench = [], Judge(lab)
    with progress("grading the bank", len(picked)) as advance:
        for entry in picked:
            upon = tasks_upon(lab, entry.task)
            everything = [task.id for task in lab.tasks]
            verdicts.append(bench.judge(entry, everything if options.all_tasks else upon))
            advance()
    rows = [
        (
            verdict.entry.task.id,
            f"{'wrong' if verdict.entry.wrong else 'right'} {verdict.entry.name}",
            f"{verdict.on_its_task:.2f} of {verdict.entry.task.points}",
            f"{verdict.elsewhere:.2f}",
            "NOT AS EXPECTED" if verdict.problems else "as expected",
        )
        for verdict in verdicts
    ]
    table("task", "answer", "lost", "lost elsewhere", "verdict", rows=rows)
    for verdict in verdicts:
        for problem in verdict.problems:
            say(f"{verdict.entry.name}: {problem}")
    if options.read:
        for verdict in verdicts:
            say(f"\n{verdict.entry.name}: {verdict.entry.says}")
            for says, message in verdict.failed.items():
                say(f"  · {says}\n    " + message.replace("\n", "\n    "))
    bad = sum(bool(verdict.problems) for verdict in verdicts)
    say(f"{len(verdicts)} answers, {bad} not as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    run_command(main)
