"""A class made of a lab's bank: each student has right, wrong and missing answers, mixed by lot.

What each should earn is known in advance: a task earns what its answer earns in an otherwise right
file, whatever the student's other tasks are like.
"""

import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from grading.core.collect import collect
from grading.core.run import grade
from grading.proofs.bank import Entry, entries
from labs.course.catalogue import Lab
from labs.course.definitions import definitions
from labs.course.stubs import replaced, stubbed

SHARES = {"solution": 0.45, "right": 0.1, "wrong": 0.3, "stub": 0.15}


@dataclass
class Student:
    """One student's file; `answers` has the bank's entry, or "solution" or "stub", by task."""

    name: str
    text: str
    answers: dict[str, Entry | str] = field(default_factory=dict)
    known: float | None = None  # what it earns, if that does not follow: an attack's file

    def expected(self, lab: Lab, tasks: tuple[str, ...] | None = None) -> float:
        """Points this file should earn, found without the rest of the class or of the file."""
        if self.known is not None:
            return self.known
        return sum(
            self.earned(lab, lab.task(id).id) for id in self.answers if tasks is None or id in tasks
        )

    def earned(self, lab: Lab, task: str) -> float:
        """Points of one task's answer in an otherwise right file."""
        answer = self.answers[task]
        if not isinstance(answer, Entry):
            return lab.task(task).points if answer == "solution" else 0.0
        if not answer.wrong:
            return lab.task(task).points
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tasks.py"
            path.write_text(answer.source(), encoding="utf-8")
            graded = grade(lab, str(path), collect(lab), [task], student=self.name)
        return graded.result.task(task).earned


def make_students(
    lab: Lab, count: int, seed: int, tasks: tuple[str, ...] | None = None
) -> list[Student]:
    """Draw students; the tasks not named are the solution's."""
    rng = random.Random(seed)
    solution = lab.solution_file.read_text(encoding="utf-8")
    ids = {task.name: task.id for task in lab.tasks}
    stubs = stubbed(solution, ids)
    bank = entries(lab)
    students = []
    for number in range(count):
        text, answers = solution, {}
        for task in lab.tasks:
            those = {
                True: [entry for entry in bank if entry.task == task and entry.wrong],
                False: [entry for entry in bank if entry.task == task and not entry.wrong],
            }
            (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
            answer: Entry | str = kind
            if tasks is not None and task.id not in tasks:
                answer = "solution"
            elif kind in ("right", "wrong") and those[kind == "wrong"]:
                answer = rng.choice(those[kind == "wrong"])
            elif kind == "right":
                answer = "solution"
            if isinstance(answer, Entry):
                text = replaced(text, task.name, answer.answer)
            elif answer == "stub":
                text = replaced(text, task.name, stub_of(stubs, task.name))
            answers[task.id] = answer
        students.append(Student(f"student{number:03d}", text, answers))
    return students


def stub_of(stubs: str, name: str) -> str:
    """One task's stub."""
    found = definitions(stubs)[name]
    return "\n".join(stubs.splitlines()[found.line - 1 : found.end_line])


def as_notebook(text: str) -> str:
    """The file as one cell of a notebook."""
    cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": []}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def hand_in(students: list[Student], folder: Path) -> None:
    """Write each student's file in one of the ways there are, in turn."""
    ways: list[Callable[[Path, Student], None]] = [in_file, in_notebook, in_clone, in_zip]
    folder.mkdir(parents=True, exist_ok=True)
    for number, student in enumerate(students):
        ways[number % len(ways)](folder, student)


def in_file(folder: Path, student: Student) -> None:
    """A .py file."""
    (folder / f"{student.name}.py").write_text(student.text, encoding="utf-8")


def in_notebook(folder: Path, student: Student) -> None:
    """A notebook."""
    (folder / f"{student.name}.ipynb").write_text(as_notebook(student.text), encoding="utf-8")


def in_clone(folder: Path, student: Student) -> None:
    """A clone of a repository with the file where the course has it."""
    place = folder / student.name / "labs" / "lab3_notes"
    place.mkdir(parents=True)
    (folder / student.name / ".git").mkdir()
    (place / "tasks.py").write_text(student.text, encoding="utf-8")


def in_zip(folder: Path, student: Student) -> None:
    """What `make submit` wrote."""
    with zipfile.ZipFile(folder / f"{student.name}.zip", "w") as archive:
        archive.writestr("tasks.py", student.text)
        archive.writestr("result.json", "{}")
