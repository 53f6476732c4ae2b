"""The one loop over checks, whatever door a submission came in by."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby

from grading.core.collect import CheckTest, chosen, collect
from grading.core.passes import Passes, demand_isolation
from grading.core.results import TaskResult
from grading.core.session import Session
from labs.course.catalogue import Lab


def run_checks(
    session: Session,
    checks: list[CheckTest],
    at_once: int = 1,
    after: Callable[[TaskResult], None] = lambda task: None,
    second: bool = True,
) -> None:
    """Run checks task by task; an error in the grader is told in a check's result.

    Parameters
    ----------
    checks
        Those of one task beside each other.
    at_once
        How many of a task's checks, each thread with workers of its own.
    after
        Called with each task's result as soon as it is there.
    second
        Whether a task whose own chain fails is graded alone, too.

    Raises
    ------
    EtudeError
        If a check cannot run here at all.
    """
    for check, _ in checks:
        demand_isolation(session, check)
    clones = [session.clone(lane) for lane in range(1, min(at_once, len(checks)))]
    if clones and not session.problem:
        session.parent.start()  # here, where Ctrl-C arrives: no other thread waits for the imports
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for task_id, group in groupby(checks, key=lambda one: one[0].task):
                run_task([session, *clones], list(group), pool, second)
                after(session.result.task(task_id))
        finally:  # Ctrl-C, too: what is being asked ends with its worker
            for clone in clones:
                clone.close()


def run_task(
    lanes: list[Session], checks: list[CheckTest], pool: ThreadPoolExecutor, second: bool
) -> None:
    """Run a task's checks: all first passes of a lane, then the second ones.

    So the worker of one kind ends before that of the other begins, and there are two of them and
    not two for each check.
    """
    # one after another in their order; else those first that train: they take longest, stand last
    left = deque(checks if len(lanes) == 1 else checks[::-1])
    undecided: list[deque[Passes]] = [deque() for _ in lanes]
    queues: list[deque] = [left, *undecided]

    def work(lane: Session, mine: deque[Passes]) -> None:
        with suppress(IndexError):
            while True:
                passes = Passes(lane, *left.popleft())
                with suppress(Exception):  # told in the result as the grader's error
                    passes.first()
                if passes.undecided and second:
                    mine.append(passes)
        with suppress(IndexError):
            while True:
                passes = mine.popleft()
                with suppress(Exception):
                    passes.second()

    try:
        others = [pool.submit(work, *each) for each in zip(lanes[1:], undecided[1:], strict=True)]
        work(lanes[0], undecided[0])
        for other in others:
            other.result()
    finally:
        for queue in queues:
            queue.clear()


def grade(
    lab: Lab,
    code: str | None,
    checks: list[CheckTest] | None = None,
    tasks: list[str] | None = None,
    public: bool = False,
    student: str = "local",
    accept_open: bool = False,
    at_once: int = 1,
) -> Session:
    """Grade a submission, and end its workers.

    Parameters
    ----------
    code
        None for what `chosen_source` chooses, "solution", or the path of a .py or .ipynb file.
    checks
        What `collect` found, if it was asked already.
    tasks
        Ids of the tasks to grade; None for all.
    public
        Leave hidden checks out.
    student
        Who handed it in.
    accept_open
        Run hidden checks though the machine locks no worker in.
    at_once
        How many checks, for whoever waits for one verdict; a class has its cores busy anyway.
    """
    found = collect(lab) if checks is None else checks
    session = Session(lab, code, [check for check, _ in found], student, accept_open)
    try:
        run_checks(session, chosen(found, tasks, public), at_once)
    finally:
        session.close()
    return session
