"""The grader is graded: wrong answers its checks must catch, right ones they must leave alone.

`python -m grading.bank [--lab 3] [--only 3_4_shift_by_two] [--all-tasks]`. A lab's bank is
`grading/labN/bank/{wrong,right}/3_4_shift_by_two.py`: a sentence on what is wrong (or unusual),
then a definition that takes the place of the solution's, with what it needs.
"""

import argparse
import ast
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grading.results import LabResult, TaskResult
from grading.session import grade
from labs.catalogue import Lab, Task, load_lab
from toolkit.console import progress, run_command, say, table
from toolkit.errors import EtudeError
from toolkit.paths import ROOT
from toolkit.source import replaced

ROUNDING = 1e-3  # points


@dataclass(frozen=True)
class Entry:
    """One answer of the bank."""

    lab: Lab
    task: Task
    path: Path

    @property
    def wrong(self) -> bool:
        """Whether it must lose points."""
        return self.path.parent.name == "wrong"

    @property
    def says(self) -> str:
        """What is wrong with it, or unusual."""
        return ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""

    def source(self) -> str:
        """The solution with this answer to its task."""
        solution = self.lab.solution_file.read_text(encoding="utf-8")
        return replaced(solution, self.task.name, self.path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Verdict:
    """Points that an entry lost, and what the grader itself got wrong on the way."""

    entry: Entry
    on_its_task: float
    elsewhere: float
    errors: tuple[str, ...]

    @property
    def expected(self) -> bool:
        """A wrong answer loses points on its own task only, a right one nowhere."""
        caught = self.on_its_task > ROUNDING
        return caught == self.entry.wrong and self.elsewhere < ROUNDING and not self.errors


def entries(lab: Lab) -> list[Entry]:
    """A lab's bank, task by task, wrong answers first.

    Raises
    ------
    EtudeError
        If a file is not named after a task.
    """
    found = []
    for path in (ROOT / "grading" / f"lab{lab.number}" / "bank").glob("*/*.py"):
        task = lab.task(".".join(path.stem.split("_")[:2]))
        found.append(Entry(lab, task, path))
    order = [task.id for task in lab.tasks]
    return sorted(found, key=lambda e: (order.index(e.task.id), not e.wrong, e.path.stem))


def tasks_upon(lab: Lab, task: Task) -> list[str]:
    """A task's id and those of all that build on it, directly or not."""
    ids = [task.id]
    for other in lab.tasks:  # a task builds on earlier ones only
        if set(other.builds_on) & set(ids):
            ids.append(other.id)
    return ids


def judge(entry: Entry, tasks: list[str] | None) -> Verdict:
    """Grade the solution with one answer replaced, on some tasks; None means all."""
    with tempfile.TemporaryDirectory(prefix="etude-bank-") as folder:
        path = Path(folder) / "tasks.py"
        path.write_text(entry.source(), encoding="utf-8")
        # these answers are our own: no machine is too open for them
        result = grade(entry.lab, str(path), tasks=tasks, accept_open=True).result
    elsewhere = sum(lost(task) for task in result.tasks if task.id != entry.task.id)
    return Verdict(entry, lost(result.task(entry.task.id)), elsewhere, grader_errors(result))


def lost(task: TaskResult) -> float:
    """Points of the checks that ran and did not pass."""
    return sum(check.points - check.earned for check in task.checks if check.outcome != "not run")


def grader_errors(result: LabResult) -> tuple[str, ...]:
    """Checks that broke in the grader: never a submission's doing."""
    return tuple(
        f"{check.name}: {check.message}"
        for task in result.tasks
        for check in task.checks
        if check.outcome == "error"
    )


def main() -> int:
    """Print a table of the bank; 1 if an entry did not fare as it must."""
    parser = argparse.ArgumentParser(prog="python -m grading.bank", description=__doc__)
    parser.add_argument("--lab", default="3")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="3_4_shift_by_two, or 3_4")
    parser.add_argument("--all-tasks", action="store_true", help="not only those that build on it")
    options = parser.parse_args()
    lab = load_lab(options.lab)
    chosen = [
        entry
        for entry in entries(lab)
        if not options.only or any(entry.path.stem.startswith(name) for name in options.only)
    ]
    if not chosen:
        raise EtudeError(f"lab {lab.number}'s bank has no entry of that name")
    verdicts = []
    with progress("grading the bank", len(chosen)) as advance:
        for entry in chosen:
            upon = None if options.all_tasks else tasks_upon(lab, entry.task)
            verdicts.append(judge(entry, upon))
            advance()
    rows = [
        (
            verdict.entry.task.id,
            f"{verdict.entry.path.parent.name}/{verdict.entry.path.stem}",
            f"{verdict.on_its_task:.2f} of {verdict.entry.task.points}",
            f"{verdict.elsewhere:.2f}",
            "as expected" if verdict.expected else "NOT AS EXPECTED",
        )
        for verdict in verdicts
    ]
    table("task", "answer", "lost", "lost elsewhere", "verdict", rows=rows)
    for verdict in verdicts:
        for error in verdict.errors:
            say(f"{verdict.entry.path.stem}: the grader's own error in {error}")
    bad = sum(not verdict.expected for verdict in verdicts)
    say(f"{len(verdicts)} answers, {bad} not as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    run_command(main)
