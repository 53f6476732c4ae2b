"""`pytest grading`: choose whose code and which checks, hand them to the loop, print verdicts."""

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.markup import escape

from grading.core.collect import declared
from grading.core.passes import demand_isolation
from grading.core.results import CheckResult, TaskResult
from grading.core.run import run_checks
from grading.core.session import Session
from grading.doors.inprocess import reader_code, solution_code, student_code
from grading.doors.verdicts import show_heading, show_next, show_stamp, show_task, show_total
from grading.sandbox.proxy import Code
from labs.course.catalogue import Lab, find_task, load_lab
from toolkit.console import console, next_step, say, warn
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, RUNS, make_folder

SESSIONS = pytest.StashKey[dict[int, Session]]()
GRADER_ERROR = 3  # exit status when a check itself broke


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("etude", "grading")
    group.addoption("--lab", metavar="N", help="grade this lab only")
    group.addoption("--task", metavar="N.M", help="grade this task only")
    group.addoption("--hint", metavar="N", help="show so many hints: 1, 2 or 3")
    group.addoption("--code", metavar="WHOSE", help="solution, or the path of a .py or .ipynb file")
    group.addoption("--student", default="local", help="whose hidden inputs to draw")
    group.addoption("--public", action="store_true", help="leave hidden checks out")
    group.addoption(
        "--accept-open", action="store_true", help="run hidden checks where no worker is locked in"
    )
    group.addoption("--results", metavar="FILE", help="where the JSON goes")
    group.addoption("--inprocess", action="store_true", help="no worker: for --pdb, not for grades")


def by_pytest(config: pytest.Config) -> bool:
    """Whether pytest's own loop and reporter are asked for, not a grading and its verdicts."""
    return bool(config.getoption("--inprocess") or config.getoption("--collect-only"))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[SESSIONS] = {}
    try:
        check_options(config)
    except EtudeError as error:
        raise pytest.UsageError(str(error)) from None
    if not by_pytest(config):  # students read verdicts, not the names of test functions
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(Unreadable())


def check_options(config: pytest.Config) -> None:
    """Refuse what cannot be done before anything is.

    Raises
    ------
    EtudeError
        Which option, and what to give.
    """
    lab, task, hint, code, results = map(
        config.getoption, ("--lab", "--task", "--hint", "--code", "--results")
    )
    chosen = load_lab(lab) if lab else None
    if task and chosen not in (None, find_task(task)[0]):
        raise EtudeError(f"task {task} is not in lab {lab}: leave out LAB (--lab) or TASK (--task)")
    if hint and hint not in ("1", "2", "3"):
        raise EtudeError(f"HINT={hint}: give 1, 2 or 3")
    if hint and not task:
        raise EtudeError("a hint belongs to a task: give TASK=3.4 too (--task 3.4)")
    if code not in (None, "solution"):
        if not Path(code).is_file() or Path(code).suffix not in (".py", ".ipynb"):
            raise EtudeError(
                f'CODE={code}: give "solution" or the path of a .py or .ipynb (of a zip, what is '
                "in it)"
            )
        if not (lab or task):
            raise EtudeError(f"which lab is {code} for? Give LAB=3 too (--lab 3)")
    if results:
        if Path(results).is_dir():
            raise EtudeError(f"--results {results} is a folder: name a file in it")
        make_folder(Path(results).parent)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m task3_2` and `-k lab3` select."""
    if mark := item.get_closest_marker("check"):
        name = f"task{mark.kwargs['task'].replace('.', '_')}"
        item.config.addinivalue_line("markers", f"{name}: checks of task {mark.kwargs['task']}")
        item.add_marker(getattr(pytest.mark, name))


def lab_number(item: pytest.Item) -> int:
    """The number of the lab whose check an item is."""
    return int(item.path.parent.parent.name.removeprefix("lab"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Share out the points over all checks there are, before any is left out."""
    checks = {item: declared(item.name, list(item.iter_markers())) for item in items}
    labs = {number: load_lab(number) for number in sorted(set(map(lab_number, items)))}

    def place(item: pytest.Item) -> tuple[int, int, bool]:
        number, check = lab_number(item), checks[item]
        return number, [task.id for task in labs[number].tasks].index(check.task), check.hidden

    items.sort(key=place)
    chosen_lab, chosen_task = config.getoption("--lab"), config.getoption("--task")
    lab, task = find_task(chosen_task) if chosen_task else (None, None)
    lab = load_lab(chosen_lab) if chosen_lab and lab is None else lab
    if lab is not None and lab.number not in labs:
        raise pytest.UsageError(f"lab {lab.number} has no checks yet")
    for number, one in labs.items():
        if lab is None or lab.number == number:
            those = [checks[item] for item in items if lab_number(item) == number]
            code, student = config.getoption("--code"), config.getoption("--student")
            accept = config.getoption("--accept-open") or config.getoption("--inprocess")
            try:
                config.stash[SESSIONS][number] = Session(one, code, those, student, accept)
            except EtudeError as error:
                raise pytest.UsageError(str(error)) from None

    def wanted(item: pytest.Item) -> bool:
        if lab_number(item) not in config.stash[SESSIONS]:
            return False
        if task is not None and checks[item].task != task.id:
            return False
        return not (config.getoption("--public") and checks[item].hidden)

    kept = [item for item in items if wanted(item)]
    try:
        for item in kept:
            demand_isolation(config.stash[SESSIONS][lab_number(item)], checks[item])
    except EtudeError as error:
        raise pytest.UsageError(str(error)) from None
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = kept


# The grading


class Unreadable:
    """Tells of checks that cannot be read, where pytest's reporter does not."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Print why a file could not be collected."""
        if report.failed:
            console.print(escape(report.longreprtext))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    config = session.config
    if by_pytest(config) or session.testsfailed:
        return None  # pytest's own loop, which also tells of what could not be collected
    if not session.items:
        say("no check was selected")
        return True
    sessions, graded = config.stash[SESSIONS], []
    show_stamp(next(iter(sessions.values())).result)
    try:
        for number, items in groupby(session.items, lab_number):
            graded.append(sessions[number])
            show_heading(sessions[number])
            grade_lab(session, sessions[number], list(items))
    finally:
        for one in graded:
            show_end(config, one)
    return True


def grade_lab(pytests: pytest.Session, session: Session, items: list[pytest.Item]) -> None:
    """Grade what was selected of a lab; after each task print it, write it and tell pytest."""
    selected = {item.name: item for item in items}
    told = {session.problem or ""}

    def after(task: TaskResult) -> None:
        session.result.write(results_file(pytests.config, session.lab))
        for check in task.checks:
            if check.traceback:
                console.print(escape(check.traceback))
        show_task(task, told)
        for check in task.checks:
            if item := selected.get(check.name):
                item.ihook.pytest_runtest_logreport(report=as_report(item, check))
        if pytests.shouldfail:
            raise pytests.Failed(pytests.shouldfail)

    checks = [(session.checks[item.name], item.obj) for item in items]  # type: ignore[attr-defined]
    run_checks(session, checks, after=after)


def as_report(item: pytest.Item, check: CheckResult) -> pytest.TestReport:
    """A check's result as pytest counts and keeps it."""
    facts: dict[str, Any] = {"outcome": "failed", "longrepr": check.message}
    if check.outcome == "passed":
        facts = {"outcome": "passed", "longrepr": None}
    elif check.outcome == "not started":
        facts = {"outcome": "skipped", "longrepr": (str(item.path), 0, "not started")}
    keywords = dict.fromkeys(item.keywords, 1)
    return pytest.TestReport(
        item.nodeid, item.location, keywords, when="call", duration=check.seconds, **facts
    )


def show_end(config: pytest.Config, session: Session) -> None:
    """Print a lab's points, the hints that were asked for, and the next thing to do."""
    show_total(session.result)
    if hints := config.getoption("--hint"):
        task = session.lab.task(config.getoption("--task"))
        for place, hint in enumerate(task.hints[: int(hints)], 1):
            say(f"hint {place} of 3: {hint}")
    elif session.problem:  # of no task
        next_step("fix", ROOT / session.submission.path)
    else:
        show_next(session)


def results_file(config: pytest.Config, lab: Lab) -> Path:
    """Where a lab's JSON goes."""
    given = config.getoption("--results")
    return Path(given) if given else RUNS / "grading" / f"lab{lab.number}.json"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    for one in session.config.stash[SESSIONS].values():
        if any(task.outcome == "error" for task in one.result.tasks):
            session.exitstatus = GRADER_ERROR
        one.close()


# In this process


def pytest_terminal_summary(config: pytest.Config) -> None:
    if config.getoption("--inprocess"):
        warn("--inprocess runs your code in the grader: this is not how grading is done")


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    return request.config.stash[SESSIONS][lab_number(request.node)]


@pytest.fixture
def student(request: pytest.FixtureRequest, session: Session) -> Code:
    """The submission."""
    if session.problem:
        pytest.fail(session.problem, pytrace=False)
    task = request.node.get_closest_marker("check").kwargs["task"]
    if session.lab.task(task).name in session.stubs:
        pytest.skip("not started")
    return student_code(session)


@pytest.fixture
def solution(session: Session) -> Code:
    """The solution."""
    return solution_code(session)


@pytest.fixture
def reader(session: Session) -> Code:
    """The lab's builders, which read what was returned."""
    return reader_code(session)


@pytest.fixture
def rng(request: pytest.FixtureRequest, session: Session) -> np.random.Generator:
    """A generator of inputs: fixed in public checks, the student's own in hidden ones."""
    return session.rng(session.checks[request.node.name])
