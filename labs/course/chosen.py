"""Which file is a student's work: a lab's notebook or its `tasks.py`."""

import ast
import os
from pathlib import Path

from labs.course.catalogue import Lab
from labs.course.definitions import bound_names, in_words, is_import, parsed, unfinished
from labs.course.kernel import HISTORY, kernels_notebook
from labs.course.submission import read_submission, syntax_error
from toolkit.errors import EtudeError
from toolkit.paths import shown


def chosen_source(lab: Lab) -> Path:
    """Choose the file that is graded, trained and handed in.

    It is the one that holds the work: a file that has all that the other has, and has it alike.
    Where both have the same, it is the notebook. For a process that a notebook started, it is what
    that notebook's kernel has run.

    Raises
    ------
    EtudeError
        If each file holds what the other lacks: which tasks, and how to say which file counts.
    """
    if kernel := kernels_notebook(lab):
        return kernel
    tasks, notebook = lab.tasks_file, lab.notebook_file
    held: dict[Path, dict[str, str]] = {}
    flaws: dict[Path, str] = {}
    for path in (tasks, notebook):
        try:
            held[path] = finished(lab, path) if path.exists() else {}
        except EtudeError as error:
            held[path], flaws[path] = {}, str(error)
    for path, other in ((tasks, notebook), (notebook, tasks)):
        if path in flaws and held[other]:
            raise EtudeError(f"{flaws[path]}. Fix it, or give {_code(lab, other)}")
        if path in flaws:
            return path  # whoever reads it says what is wrong
    if held[notebook] and held[tasks].items() <= held[notebook].items():
        return notebook
    if held[notebook].items() <= held[tasks].items():
        return tasks
    if HISTORY in os.environ:  # a notebook asks, whose cells have not run yet
        return notebook
    differ = [
        task for task in lab.tasks if held[tasks].get(task.name) != held[notebook].get(task.name)
    ]
    there = next(task.id for task in differ if task.name in held[tasks])
    raise EtudeError(
        f"{shown(notebook)} and {tasks.name} differ in {', '.join(task.id for task in differ)}: "
        f"give {_code(lab, notebook)} or {_code(lab, tasks)}, or make them alike (make reset "
        f"TASK={there} takes a task out of {tasks.name})"
    )


def _code(lab: Lab, path: Path) -> str:
    return f"LAB={lab.number} CODE={shown(path)}"


def finished(lab: Lab, path: Path) -> dict[str, str]:
    """The tasks that a file holds finished, by name: each with what it uses of the file, in words.

    Imports and other tasks are left out, so that a task differs only where its author changed it.

    Raises
    ------
    EtudeError
        If the file cannot be read, or is not Python.
    """
    submission = read_submission(path)
    if problem := syntax_error(submission):
        raise EtudeError(problem)
    source = submission.source
    last = {
        name: node
        for node in parsed(source).body
        for name in bound_names(node)
        if not is_import(node)
    }
    names = [task.name for task in lab.tasks]
    todo = unfinished(source, names)
    found = {}
    for task in names:
        reached: dict[str, str] = {}
        waiting = [task]
        while waiting:
            name = waiting.pop()
            if name in last and name not in reached:
                reached[name] = in_words(last[name], source)
                inner = ast.walk(last[name])
                used = {one.id for one in inner if isinstance(one, ast.Name)}
                waiting += used.difference(names)
        if task not in todo:
            found[task] = "\n".join(f"{name} {reached[name]}" for name in sorted(reached))
    return found


def differing(lab: Lab, path: Path, other: Path) -> list[str]:
    """Ids of the tasks that two files both hold finished, but not alike.

    Raises
    ------
    EtudeError
        If one of them cannot be read, or is not Python.
    """
    here, there = finished(lab, path), finished(lab, other)
    both = here.keys() & there.keys()
    return [
        task.id for task in lab.tasks if task.name in both and here[task.name] != there[task.name]
    ]


def left_behind(lab: Lab, path: Path) -> tuple[str, ...]:
    """Tell what `tasks.py` holds and the notebook at `path` lacks."""
    if path == lab.tasks_file:
        return ()
    try:
        only = finished(lab, lab.tasks_file).keys() - finished(lab, path).keys()
    except EtudeError:
        return ()
    ids = ", ".join(task.id for task in lab.tasks if task.name in only)
    told = f"{shown(lab.tasks_file)} has {ids}, this notebook does not: copy it here to count"
    return (told,) if ids else ()
