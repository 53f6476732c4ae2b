"""The process beside a notebook that grades for it: a line of JSON in, a line of JSON out.

It stays as long as the notebook's kernel, so that only the first verdict waits for imports. The
kernel runs the student's code and never sees an answer.
"""

import json
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from grading.core.collect import CheckTest, collect
from grading.core.processes import zygote
from grading.core.results import Outcome, TaskResult, messages
from grading.core.run import grade
from grading.core.session import Session
from grading.doors.pictures import drawing
from grading.doors.verdicts import (
    next_unfinished,
    notes_of,
    points,
    show_heading,
    show_stamp,
    show_task,
    standing,
)
from labs.course.catalogue import find_task, load_lab
from toolkit.console import console
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.report.page import render

TEMPLATES = Path(__file__).parent / "templates"

_stands: dict[int, dict[str, Outcome]] = {}  # what was told of each lab's tasks so far


@cache
def checks_of(lab: int) -> list[CheckTest]:
    """A lab's checks, collected once."""
    return collect(load_lab(lab))


def answer(task: str, code: str | None = None) -> dict[str, Any]:
    """Grade one task and say how it went: points, as HTML, and in plain text.

    Raises
    ------
    EtudeError
        If it cannot be graded.
    """
    lab, wanted = find_task(task)
    public = zygote(lab).isolation.level == "open"  # a notebook is no place to accept that
    session = grade(
        lab, code, checks_of(lab.number), [wanted.id], public, at_once=available_cores()
    )
    result = session.result.task(wanted.id)
    with console.capture() as captured:
        show_stamp(session.result)
        show_heading(session)
        show_task(result, {session.problem or ""})
    return {
        "earned": round(result.earned, 2),
        "html": verdict_html(session, result),
        "text": captured.get(),
    }


def verdict_html(session: Session, task: TaskResult) -> str:
    """One task's verdict as a piece of a page, in a notebook's own colours."""
    told = [check for check in task.checks if check.outcome in ("failed", "error")]
    # what it printed, once, if it printed the same in each check
    printed = {check.message: check for check in task.checks[::-1] if check.outcome == "passed"}
    told += [check for message, check in printed.items() if message and check.own_chain]
    findings = [
        {
            "says": check.says,
            "message": message,
            "drawing": drawing(check.difference) if check.difference else None,
        }
        for check, message in zip(told, messages(told), strict=True)
    ]
    own = all(check.own_chain for check in task.checks)
    alone = {check.message for check in task.checks if not check.own_chain}
    ran = sum(check.points for check in task.checks if check.outcome != "not run")
    left = task.possible - ran
    return render(
        "verdict.html",
        TEMPLATES,
        task=task,
        outcome=task.outcome if own else f"{task.outcome}, alone",
        points=f"{points(task.earned)} of {points(task.possible)} points"
        + (f"; {points(left)} graded by your instructor" if left > 1e-6 else ""),
        notes=[*notes_of(session), *sorted(alone)],
        findings=findings,
        passed=[check.says for check in task.checks if check.outcome == "passed"],
        next=next_of(session, task),
    )


def next_of(session: Session, task: TaskResult) -> str:
    """What to do next."""
    if task.outcome == "error":
        return "a check broke in the grader itself: tell your instructor, it is not your fault"
    lab = session.lab.number
    _stands[lab] = standing(session, _stands.get(lab, {}))
    if task.outcome == "passed":
        if following := next_unfinished(session, _stands[lab]):
            return f"next: {following.id} {following.name}"
        return f"next: train what you wrote, below; then make submit LAB={lab}"
    word = "write it, run its cell" if task.outcome == "not started" else "fix it, run its cell"
    return f'{word} and this one; hint("{task.id}") says more'


def main() -> None:
    """Answer until nobody asks any more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anything prints must not look like a reply
    for line in sys.stdin:
        try:
            reply = answer(**json.loads(line))
        except EtudeError as error:
            reply = {"stopped": str(error)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # who stops the kernel stops this
        main()
