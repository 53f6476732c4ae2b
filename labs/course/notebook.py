"""`check("3.4")` and `hint("3.4")` in a lab's notebook."""

import json
import subprocess
import sys
from typing import Any

from labs.course.catalogue import find_task
from labs.course.kernel import History, shell
from toolkit.errors import EtudeError
from toolkit.paths import ROOT


class Verdict(float):
    """A task's points, which is all that nbgrader reads; a notebook shows the page instead."""

    html = ""

    def _repr_html_(self) -> str:
        return self.html


def check(task_id: str) -> Verdict:
    """Grade one task as this notebook's cells define it; outside a notebook, as `make grade` does.

    Outside a notebook the verdict is printed.

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
    _, task = find_task(task_id)
    if _history:
        _history.save()
    answer = _grader.ask(task=task.id)
    verdict = Verdict(answer["earned"])
    verdict.html = answer["html"]
    if not shell():
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

    def ask(self, **question: str) -> dict[str, Any]:
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
_history = History() if shell() else None
