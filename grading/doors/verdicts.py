"""What grading prints: a line a task, what failed and why, the points, and what to do next."""

from collections.abc import Mapping

from rich.markup import escape

from grading.core.results import LabResult, Outcome, TaskResult
from grading.core.session import Session
from labs.course.imports import import_notes
from toolkit.console import console, heading, next_step, say, stamp, warn

COLOURS = {
    "passed": "green",
    "failed": "red",
    "not started": "yellow",
    "error": "magenta",
    "not run": "dim",
}


def points(value: float) -> str:
    """Points without needless decimals."""
    return f"{value:.1f}".removesuffix(".0")


def show_stamp(result: LabResult) -> None:
    """The parity stamp, with how well the submission was kept apart."""
    stamp({**result.stamp, "isolation": result.isolation.split()[0]})


def show_heading(session: Session) -> None:
    """The lab, the file, and what its author should know before the verdicts."""
    heading(f"Lab {session.lab.number}  {session.lab.title}")
    say(f"{session.result.submission}\n")
    for note in notes_of(session):
        warn(note)
    if session.problem:
        console.print(f"[bold red]stopped:[/bold red] {escape(session.problem)}\n")


def notes_of(session: Session) -> list[str]:
    """What the file's author should know besides the verdicts."""
    imports = () if session.problem else import_notes(session.lab, session.submission)
    return [*session.notes, *imports]


def show_task(task: TaskResult, told: set[str]) -> None:
    """A task's line, and what failed in it.

    Parameters
    ----------
    told
        What public checks said before: it is not repeated, and what they say here is added.
    """
    colour = COLOURS[task.outcome]
    own = all(check.own_chain for check in task.checks)
    outcome = task.outcome if own else f"{task.outcome}, alone"
    score = f"{points(task.earned):>4} of {points(task.possible)}"
    console.print(f"  {task.id:<5}{task.name:<24}[{colour}]{outcome:<15}[/{colour}]{score}")
    before, here = frozenset(told), {""}
    for check in task.checks:
        if check.message in here:
            continue
        here.add(check.message)
        lines = f"{check.says}\n{check.message}" if check.own_chain else check.message
        if check.message in before:
            lines = "as above"
        elif not check.hidden:
            told.add(check.message)
        first, *rest = lines.splitlines()
        console.print(f"       [dim]·[/dim] {escape(first)}")
        for line in rest:
            console.print(f"         {escape(line)}")


def show_total(result: LabResult) -> None:
    """Points of the tasks that were graded."""
    ran = [task for task in result.tasks if task.outcome != "not run"]
    if not ran:
        return
    earned = sum(task.earned for task in ran)
    possible = sum(task.possible for task in ran)
    here = sum(check.points for task in ran for check in task.checks if check.outcome != "not run")
    filled = round(20 * earned / possible)
    bar = "█" * filled + "░" * (20 - filled)
    console.print(f"\n  {bar}  [bold]{points(earned)} of {points(possible)}[/bold]")
    if here < possible - 1e-6:
        left = [check for task in ran for check in task.checks if check.outcome == "not run"]
        rest = points(possible - here)
        if all(check.hidden for check in left):
            say(f"  {points(earned)} of {points(here)} public; {rest} graded by your instructor")
        else:
            say(f"  {points(earned)} of {points(here)} ran; {rest} did not")
    if any(task.outcome == "error" for task in ran):
        warn("a check broke in the grader itself: tell your instructor, it is not your fault")


def standing(session: Session, before: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """How each task stands: as it was graded now, or `before`; what is no task yet is not started.

    Parameters
    ----------
    before
        Outcomes by task id, of gradings whose code has not changed since.
    """
    unwritten = session.stubs | session.lost.keys()
    found: dict[str, Outcome] = {}
    for task in session.result.tasks:
        found[task.id] = task.outcome
        if task.outcome == "not run":
            found[task.id] = before.get(task.id, "not run")
            if task.name in unwritten:
                found[task.id] = "not started"
    return found


def next_unfinished(session: Session, stands: Mapping[str, Outcome]) -> TaskResult | None:
    """The task to go on with, as far as that is known.

    Of those graded now the first that is not right, else the first after them in the lab's order,
    else the first of all.
    """
    tasks = session.result.tasks
    open_ones = [stands[task.id] in ("failed", "not started") for task in tasks]
    graded = [place for place, task in enumerate(tasks) if task.outcome != "not run"]
    begin = next((place for place in graded if open_ones[place]), graded[-1] if graded else 0)
    order = [*range(begin, len(tasks)), *range(begin)]
    return next((tasks[place] for place in order if open_ones[place]), None)


def show_next(session: Session, before: Mapping[str, Outcome] | None = None) -> None:
    """The task to go on with, with its place; of a lab that is right, the run."""
    stands = standing(session, before or {})
    lab = session.lab.number
    if task := next_unfinished(session, stands):
        word = "write" if stands[task.id] == "not started" else "fix"
        next_step(f"{word} {task.id} {task.name}", session.submission.place(task.line or 1))
        say(f"      a hint: make grade TASK={task.id} HINT=1")
    elif set(stands.values()) == {"passed"}:
        next_step(f"every check here passes: make lab{lab}, then make submit LAB={lab}")
    elif "error" not in stands.values():
        next_step(f"make grade LAB={lab}")
