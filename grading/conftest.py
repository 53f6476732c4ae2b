"""`pytest grading`: choose whose code, run the checks through a session a lab, print verdicts."""

from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from grading.core.results import CheckResult
from grading.core.session import OPEN, InprocessSession, Session, declared, with_its_fixtures
from grading.doors.reporter import Reporter
from labs.course.catalogue import Lab, find_task, load_lab
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, make_folder

SESSIONS = pytest.StashKey[dict[int, Session]]()
RESULT = pytest.StashKey[CheckResult]()
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


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[SESSIONS] = {}
    try:
        check_options(config)
    except EtudeError as error:
        raise pytest.UsageError(str(error)) from None
    plain = config.pluginmanager.getplugin("terminalreporter")
    if isinstance(plain, TerminalReporter) and not config.getoption("--collect-only"):
        config.pluginmanager.unregister(plain)
        reporter = Reporter(config, config.stash[SESSIONS])
        config.pluginmanager.register(reporter, "terminalreporter")


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
    kind = InprocessSession if config.getoption("--inprocess") else Session
    chosen_lab, chosen_task = config.getoption("--lab"), config.getoption("--task")
    lab, task = find_task(chosen_task) if chosen_task else (None, None)
    lab = load_lab(chosen_lab) if chosen_lab and lab is None else lab
    if lab is not None and lab.number not in labs:
        raise pytest.UsageError(f"lab {lab.number} has no checks yet")
    for number, one in labs.items():
        if lab is None or lab.number == number:
            those = [checks[item] for item in items if lab_number(item) == number]
            code, student = config.getoption("--code"), config.getoption("--student")
            accept = config.getoption("--accept-open")
            try:
                config.stash[SESSIONS][number] = kind(one, code, those, student, accept)
            except EtudeError as error:
                raise pytest.UsageError(str(error)) from None

    def wanted(item: pytest.Item) -> bool:
        if lab_number(item) not in config.stash[SESSIONS]:
            return False
        if task is not None and checks[item].task != task.id:
            return False
        return not (config.getoption("--public") and checks[item].hidden)

    kept = [item for item in items if wanted(item)]
    for item in kept:
        session = config.stash[SESSIONS][lab_number(item)]
        if not session.may_run(checks[item]):
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
    session = pyfuncitem.config.stash[SESSIONS][lab_number(pyfuncitem)]
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
    asked = set(map(lab_number, session.items))
    for number, one in sessions.items():
        if number in asked or len(sessions) == 1:  # -k may have left nothing of the others
            one.result.write(results_file(session.config, one.lab))
        one.close()
