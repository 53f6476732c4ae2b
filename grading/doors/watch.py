"""`make watch LAB=3`: grade again at each save, only the tasks that changed."""

import argparse
import ast
import time
from functools import partial
from pathlib import Path

from grading.core.collect import CheckTest, chosen, collect
from grading.core.processes import zygote
from grading.core.results import Outcome
from grading.core.run import run_checks
from grading.core.session import Session
from grading.doors.verdicts import (
    show_heading,
    show_next,
    show_stamp,
    show_task,
    show_total,
    standing,
)
from labs.course.catalogue import Lab, example_lab, load_lab
from labs.course.definitions import definitions, in_words
from toolkit.console import run_command, say, warn
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError

POLL_SECONDS = 0.2


def snapshot(session: Session) -> dict[str, str]:
    """Each task's code as a syntax tree in words: comments and layout are no change.

    What stands outside the tasks belongs to every one of them.
    """
    if session.problem:
        return {}
    source = session.submission.source
    found = definitions(source)
    names = {task.name: task.id for task in session.lab.tasks}
    shared = "".join(
        in_words(node, source)
        for node in ast.parse(source).body
        if getattr(node, "name", "") not in names
    )
    return {
        names[name]: in_words(definition.node, source) + shared
        for name, definition in found.items()
        if name in names
    }


def changed_tasks(lab: Lab, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Ids of the tasks whose code changed, then of those that build on them."""
    edited = [task.id for task in lab.tasks if before.get(task.id) != after.get(task.id)]
    changed = list(edited)
    for task in lab.tasks:
        if task.id not in changed and set(task.builds_on) & set(changed):
            changed.append(task.id)
    return changed


def judge(
    session: Session,
    checks: list[CheckTest],
    tasks: list[str],
    public: bool,
    before: dict[str, Outcome] | None = None,
) -> dict[str, Outcome]:
    """Grade tasks in this order and print each as soon as its verdict is known.

    Parameters
    ----------
    before
        How the lab's tasks stood before.

    Returns
    -------
    dict of str to str
        How they stand now.
    """
    before = before or {}
    show_heading(session)
    if session.problem:
        return before
    in_order = [one for task in tasks for one in chosen(checks, [task], public)]
    try:
        after = partial(show_task, told=set())
        run_checks(session, in_order, available_cores(), after=after)
    finally:
        session.close()
    show_total(session.result)
    show_next(session, before)
    return standing(session, before)


def watch(lab: Lab, code: str | None = None) -> None:
    """Grade what holds the lab's work now and at each save, until Ctrl-C."""
    checks = collect(lab)
    public = zygote(lab).isolation.level == "open"  # this is nobody's place to accept that
    files = [Path(code)] if code else [lab.tasks_file, lab.notebook_file]
    saved = modified(files)
    session = Session(lab, code, [check for check, _ in checks])
    show_stamp(session.result)
    stands = judge(session, checks, [task.id for task in lab.tasks], public)
    before = snapshot(session)
    zygote(lab).start()  # warm before the first save
    say(f"\nwatching {session.result.submission}: save it to be graded, Ctrl-C to stop")
    while True:
        time.sleep(POLL_SECONDS)
        if (now := modified(files)) == saved:
            continue
        saved = now
        try:
            session = Session(lab, code, [check for check, _ in checks])
        except EtudeError as error:  # this save left the two files apart
            warn(str(error))
            continue
        after = snapshot(session)
        if session.problem or (tasks := changed_tasks(lab, before, after)):
            tasks = [] if session.problem else tasks
            stands = judge(session, checks, tasks, public, stands)
        before = after or before


def modified(files: list[Path]) -> list[int | None]:
    """When each file was saved; None if it is not there, as while an editor replaces it."""
    times: list[int | None] = []
    for file in files:
        try:
            times.append(file.stat().st_mtime_ns)
        except FileNotFoundError:
            times.append(None)
    return times


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="grading.watch")
    parser.add_argument("--lab")
    parser.add_argument("--code", help="a .py or .ipynb file (the one you work in)")
    options = parser.parse_args()
    if not options.lab:
        raise EtudeError(f"which lab? make watch LAB={example_lab()}")
    watch(load_lab(options.lab), options.code)


if __name__ == "__main__":
    run_command(main)
