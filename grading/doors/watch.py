"""`make watch LAB=3`: grade again at each save, only the tasks that changed."""

import argparse
import ast
import time

from grading.core.collect import CheckTest, chosen, collect
from grading.core.processes import zygote
from grading.core.run import run_checks
from grading.core.session import Session
from grading.doors.verdicts import show_heading, show_next, show_stamp, show_task, show_total
from labs.course.catalogue import Lab, example_lab, load_lab
from labs.course.definitions import definitions
from toolkit.console import run_command, say
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
        source_text(node, source)
        for node in ast.parse(source).body
        if getattr(node, "name", "") not in names
    )
    return {
        names[name]: source_text(definition.node, source) + shared
        for name, definition in found.items()
        if name in names
    }


def source_text(node: ast.stmt, source: str) -> str:
    """A statement's tree in words; its text, if the tree is too deep or holds too long a number."""
    try:
        return ast.dump(node)
    except (RecursionError, ValueError):
        return ast.get_source_segment(source, node) or ""


def changed_tasks(lab: Lab, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Ids of the tasks whose code changed, then of those that build on them."""
    edited = [task.id for task in lab.tasks if before.get(task.id) != after.get(task.id)]
    changed = list(edited)
    for task in lab.tasks:
        if task.id not in changed and set(task.builds_on) & set(changed):
            changed.append(task.id)
    return changed


def judge(session: Session, checks: list[CheckTest], tasks: list[str], public: bool) -> None:
    """Grade tasks in this order and print each as soon as its verdict is known."""
    show_heading(session)
    if session.problem:
        return
    in_order = [one for task in tasks for one in chosen(checks, [task], public)]
    try:
        run_checks(session, in_order, available_cores(), after=show_task)
    finally:
        session.close()
    show_total(session.result)
    show_next(session)


def watch(lab: Lab) -> None:
    """Grade the lab's `tasks.py` now and at each save, until Ctrl-C."""
    checks = collect(lab)
    public = zygote(lab).isolation.level == "open"  # this is nobody's place to accept that
    saved = modified(lab)
    session = Session(lab, None, [check for check, _ in checks])
    show_stamp(session.result)
    judge(session, checks, [task.id for task in lab.tasks], public)
    before = snapshot(session)
    zygote(lab).start()  # warm before the first save
    say(f"\nwatching {session.result.submission}: save it to be graded, Ctrl-C to stop")
    while True:
        time.sleep(POLL_SECONDS)
        if (now := modified(lab)) == saved:
            continue
        saved = now
        session = Session(lab, None, [check for check, _ in checks])
        after = snapshot(session)
        if session.problem or (tasks := changed_tasks(lab, before, after)):
            judge(session, checks, [] if session.problem else tasks, public)
        before = after or before


def modified(lab: Lab) -> int | None:
    """When `tasks.py` was saved; None while an editor replaces it."""
    try:
        return lab.tasks_file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="grading.watch")
    parser.add_argument("--lab")
    lab = parser.parse_args().lab
    if not lab:
        raise EtudeError(f"which lab? make watch LAB={example_lab()}")
    watch(load_lab(lab))


if __name__ == "__main__":
    run_command(main)
