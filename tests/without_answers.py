"""A lab as a student of a handout has it: some tasks written, the others stubs, no solution."""

import dataclasses
from pathlib import Path

from labs.course.catalogue import load_lab
from labs.course.code import Tasks, load_tasks
from labs.course.definitions import definitions
from labs.course.stubs import replaced, stubbed


def without_answers(number: int, folder: Path, *unwritten: str) -> Tasks:
    """Load a lab whose tasks are right but for those `unwritten`, and cannot be borrowed."""
    lab = load_lab(number)
    source = lab.solution_file.read_text()
    stubs = stubbed(source, {task.name: task.id for task in lab.tasks})
    for name in unwritten:
        found = definitions(stubs)[name]
        stub = "\n".join(stubs.splitlines()[found.line - 1 : found.end_line])
        source = replaced(source, name, stub)
    file = folder / "tasks.py"
    file.write_text(source)
    return load_tasks(dataclasses.replace(lab, folder=folder), file)
