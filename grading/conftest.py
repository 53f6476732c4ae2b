"""`pytest grading`: choose whose code, run the checks through a session a lab, print verdicts."""

from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from grading.reporter import Reporter
from grading.results import Check, CheckResult
from grading.session import OPEN, InprocessSession, Session, declared, with_its_fixtures
from labs.catalogue import Lab, find_task, load_lab
from toolkit.errors import EtudeError
from toolkit.paths import RUNS

SESSIONS = pytest.StashKey[dict[int, Session]]()
RESULT = pytest.StashKey[CheckResult]()
GRADER_ERROR = 3  # exit status when a check itself broke


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("etude", "grading")
    group.addoption("--lab", metavar="N", help="grade this lab only")
    group.addoption("--task", metavar="N.M", help="grade this task only")
    group.addoption("--hint", type=int, choices=(1, 2, 3), help="show so many hints")
    group.addoption("--code", metavar="WHOSE", help="solution, or the path of a .py or .ipynb file")
    group.addoption("--student", default="local", help="whose hidden inputs to draw")
    group.addoption("--public", action="store_true", help="leave hidden checks out")
    group.addoption(
        "--accept-open", action="store_true", help="run hidden checks where no worker is locked in"
    )
    group.addoption("--results", metavar="FILE", help="where the JSON goes")
    group.addoption("--inprocess", action="store_true", help="no worker: for --pdb, not for grades")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[SESSIONS] = {}
    try:
        if task := config.getoption("--task"):
            find_task(task)
        if lab := config.getoption("--lab"):
            load_lab(lab)
        if config.getoption("--hint") and not task:
            raise EtudeError("a hint belongs to a task: give TASK=3.4 too (--task 3.4)")
        if (code := config.getoption("--code")) not in (None, "solution"):
            if not Path(code).is_file():
                raise EtudeError(f'CODE={code}: give "solution" or the path of a .py or .ipynb')
            if not (lab or task):
                raise EtudeError(f"which lab is {code} for? Give LAB=3 too (--lab 3)")
    except EtudeError as error:
        raise pytest.UsageError(str(error)) from None
    plain = config.pluginmanager.getplugin("terminalreporter")
    if isinstance(plain, TerminalReporter) and not config.getoption("--collect-only"):
        config.pluginmanager.unregister(plain)
        reporter = Reporter(config, config.stash[SESSIONS])
        config.pluginmanager.register(reporter, "terminalreporter")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m task3_2` and `-k lab3` select."""
    if mark := item.get_closest_marker("check"):
        name = f"task{mark.kwargs['task'].replace('.', '_')}"
        item.config.addinivalue_line("markers", f"{name}: checks of task {mark.kwargs['task']}")
        item.add_marker(getattr(pytest.mark, name))


def lab_of(item: pytest.Item) -> Lab:
    """The lab whose check an item is."""
    return load_lab(item.path.parent.parent.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Share out the points over all checks there are, before any is left out."""

    def place(item: pytest.Item) -> tuple[int, int, bool]:
        lab, check = lab_of(item), declared(item.name, list(item.iter_markers()))
        return lab.number, [task.id for task in lab.tasks].index(check.task), check.hidden

    items.sort(key=place)
    labs: dict[int, list[Check]] = {}
    for item in items:
        labs.setdefault(lab_of(item).number, []).append(
            declared(item.name, list(item.iter_markers()))
        )
    kind = InprocessSession if config.getoption("--inprocess") else Session
    chosen_lab, chosen_task = config.getoption("--lab"), config.getoption("--task")
    number = find_task(chosen_task)[0].number if chosen_task else None
    number = load_lab(chosen_lab).number if chosen_lab and number is None else number
    if number is not None and number not in labs:
        raise pytest.UsageError(f"lab {number} has no checks yet")
    for key, checks in labs.items():
        if number in (None, key):
            code, student = config.getoption("--code"), config.getoption("--student")
            accept = config.getoption("--accept-open")
            try:
                config.stash[SESSIONS][key] = kind(load_lab(key), code, checks, student, accept)
            except EtudeError as error:
                raise pytest.UsageError(str(error)) from None

    def wanted(item: pytest.Item) -> bool:
        check = declared(item.name, list(item.iter_markers()))
        if lab_of(item).number not in config.stash[SESSIONS]:
            return False
        if chosen_task and check.task != find_task(chosen_task)[1].id:
            return False
        return not (config.getoption("--public") and check.hidden)

    kept = [item for item in items if wanted(item)]
    for item in kept:
        session = config.stash[SESSIONS][lab_of(item).number]
        if not session.may_run(declared(item.name, list(item.iter_markers()))):
            raise pytest.UsageError(OPEN.format(session.isolation()))
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = kept


@pytest.fixture
def student() -> None:
    """The submission; a session puts it in the place of this."""


@pytest.fixture
def solution() -> None:
    """The solution, in a worker of its own."""


@pytest.fixture
def reader() -> None:
    """The lab's builders in a worker that holds nobody's code: it reads what was returned."""


@pytest.fixture
def rng() -> None:
    """A generator of inputs: fixed in public checks, the student's own in hidden ones."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    session = pyfuncitem.config.stash[SESSIONS][lab_of(pyfuncitem).number]
    result = session.run(pyfuncitem.name, with_its_fixtures(pyfuncitem.obj))
    pyfuncitem.stash[RESULT] = result
    session.result.write(results_file(pyfuncitem.config, session.lab))
    if result.outcome == "not started":
        pytest.skip("not started")
    if result.outcome == "failed":
        pytest.fail(result.message, pytrace=False)
    return True


def results_file(config: pytest.Config, lab: Lab) -> Path:
    """Where a lab's JSON goes."""
    given = config.getoption("--results")
    return Path(given) if given else RUNS / "grading" / f"lab{lab.number}.json"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    broken = report.failed and not (
        call.excinfo is not None and call.excinfo.errisinstance(pytest.fail.Exception)
    )
    report.grader_error = broken and not item.config.getoption("--inprocess")  # type: ignore[attr-defined]
    if report.grader_error:  # type: ignore[attr-defined]
        item.session.shouldstop = False
        item.config.stash[SESSIONS].setdefault(-1, None)  # type: ignore[arg-type]
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    sessions = session.config.stash[SESSIONS]
    if sessions.pop(-1, True) is None:
        session.exitstatus = GRADER_ERROR
    asked = {lab_of(item).number for item in session.items}
    for number, one in sessions.items():
        if number in asked or len(sessions) == 1:  # -k may have left nothing of the others
            one.result.write(results_file(session.config, one.lab))
        one.close()
