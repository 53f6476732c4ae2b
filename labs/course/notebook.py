"""`check("3.4")` and `hint("3.4")` in a lab's notebook; what was written is saved to `tasks.py`."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labs.course.build import keep_backup
from labs.course.catalogue import Lab, find_task
from labs.course.cells import names_bound, notebook_source
from labs.course.definitions import Definition, definitions
from labs.course.reset import stub
from labs.course.submission import read_submission, syntax_error
from labs.course.takeover import finished, names_lacking, taken_over
from toolkit.console import say, warn
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown, write_whole


class Verdict(float):
    """A task's points, which is all that nbgrader reads; a notebook shows the page instead."""

    html = ""

    def _repr_html_(self) -> str:
        return self.html


def check(task_id: str) -> Verdict:
    """Save this notebook's definitions to the lab's `tasks.py` and grade one task.

    Where nbgrader runs many students' notebooks nothing is saved. Outside a notebook the verdict is
    printed.

    Parameters
    ----------
    task_id : str
        Such as "3.4".

    Returns
    -------
    Verdict
        The points earned, which nbgrader takes as the check's score.

    Raises
    ------
    EtudeError
        If there is no such task, or it cannot be graded.
    """
    lab, task = find_task(task_id)
    with TemporaryDirectory(prefix="etude-notebook-") as folder:
        code = None
        if os.environ.get("NBGRADER_EXECUTION"):
            code = str(Path(folder) / "tasks.py")
            Path(code).write_text(_source(_inputs()), encoding="utf-8")
        else:
            save(lab, _inputs())
        answer = _grader.ask(task=task.id, code=code)
    verdict = Verdict(answer["earned"])
    verdict.html = answer["html"]
    if not _has_page():
        print(answer["text"])
    return verdict


def hint(task_id: str, count: int = 1) -> None:
    """Print a task's first hints.

    Parameters
    ----------
    task_id : str
        Such as "3.4".
    count : 1 to 3
        How many: from a nudge to nearly the answer.

    Raises
    ------
    EtudeError
        If there is no such task, or no such hint.
    """
    _, task = find_task(task_id)
    if count not in range(1, len(task.hints) + 1):
        raise EtudeError(f"hint {count}: a task has {len(task.hints)}, give 1 to {len(task.hints)}")
    for place, text in enumerate(task.hints[:count], 1):
        print(f"hint {place} of {len(task.hints)}: {text}")
    if count < len(task.hints):
        print(f'more: hint("{task.id}", {count + 1})')


class _Grader:
    """A process beside this one that grades: here the student's code runs, there are the answers.

    It stays until this one ends, so that only the first verdict waits for imports.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def ask(self, **question: str | None) -> dict[str, Any]:
        """Give its answer to one question."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grading.notebook"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):  # its pipe is closed, or ends in the middle of a line
            raise EtudeError("the grader ended: run this cell again") from None
        except BaseException:
            self.process.kill()  # its answer would be taken for that to the next question
            raise
        if "stopped" in answer:
            raise EtudeError(answer["stopped"])
        return answer


_grader = _Grader()


def save(lab: Lab, cells: list[str]) -> bool:
    """Put what `cells` define into `tasks.py`; return whether that changed it.

    Unfinished definitions are not saved, and what could not be is named. Finished work that would
    be lost, as no cell holds it, is backed up first.

    Parameters
    ----------
    cells : list of str
        Sources of the cells that ran, in order; of two definitions of one name the later counts.

    Raises
    ------
    EtudeError
        If `tasks.py` is not Python.
    """
    submission = read_submission(lab.tasks_file)
    if problem := syntax_error(submission):
        raise EtudeError(f"nothing was saved or graded: {problem}")
    before = submission.source
    tasks = {task.name: task for task in lab.tasks}
    text = taken_over(before, _source(cells), tasks)
    for line in _not_saved(lab, cells, text):
        warn(line)
    if text == before:
        return False
    written = "\n".join(cells)
    if any(piece not in written for piece in finished(before) - finished(text)):
        keep_backup(lab.tasks_file)
    write_whole(lab.tasks_file, text)
    say(f"saved to {shown(lab.tasks_file)}")
    return True


def _not_saved(lab: Lab, cells: list[str], text: str) -> Iterator[str]:
    """Say what cells hold and `text`, which is graded, does not."""
    written = [_source([cell]) for cell in cells]
    for task in lab.tasks:
        opening = re.compile(rf"^(?:async\s+def|def|class)\s+{task.name}\b", re.MULTILINE)
        latest = max((n for n, cell in enumerate(cells) if opening.search(cell)), default=None)
        if latest is None:
            continue
        told = f"{task.id} {task.name} was not saved, what was before is graded"
        found = definitions(written[latest]).get(task.name)
        if found is None:
            yield f"{told}: its cell is not Python"
        elif found.stub and not _handed_out(lab, found):
            yield f"{told}: it still raises NotImplementedError"
    bound = {name for cell in cells for name in names_bound(cell)}
    for name in sorted(names_lacking(text) & bound):
        yield f"{name} was not saved: a cell makes it by running something; make it in a function"


def _handed_out(lab: Lab, found: Definition) -> bool:
    """Whether a stub is as students get it."""
    with suppress(EtudeError):
        return ast.dump(found.node) == ast.dump(ast.parse(stub(lab, found.name)).body[0])
    return True  # nobody can tell


def _source(cells: list[str]) -> str:
    """What cells define, as one text."""
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    return notebook_source(json.dumps(notebook))[0]


def _inputs() -> list[str]:
    """Sources of the cells that ran in this notebook so far."""
    from IPython import get_ipython  # type: ignore[import-not-found]

    shell: Any = get_ipython()
    return list(shell.user_ns["In"])


def _has_page() -> bool:
    """Whether a notebook is there that shows HTML."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
