"""pytest's terminal reporter, replaced: students read verdicts, not the names of test functions."""

from collections.abc import Generator
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter
from rich.markup import escape

from grading.core.session import Session
from grading.doors.verdicts import show_heading, show_next, show_stamp, show_task, show_total
from toolkit.console import console, next_step, say, warn
from toolkit.paths import ROOT


class Reporter(TerminalReporter):  # type: ignore[misc]  # final by annotation only
    """Prints each task when its last check is done."""

    def __init__(self, config: pytest.Config, sessions: dict[int, Session]):
        super().__init__(config)
        self.sessions = sessions
        self.selected: list[pytest.Item] = []
        self.headed: set[int] = set()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Print nothing yet: nobody knows which labs there will be."""
        self._session = session

    def pytest_collection(self) -> None:
        """Collecting takes no time worth a line."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print the stamp, and from now on know the order of the checks."""
        self.selected = session.items
        for one in list(self.sessions.values())[:1]:
            show_stamp(one.result)

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Say nothing when a check starts."""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say nothing when a check ends."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep pytest's statistics; print a task when its last check is done."""
        status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        self._add_stats(status[0], [report])
        if report.failed and (self.config.getoption("--inprocess") or report.grader_error):
            console.print(escape(report.longreprtext))
        if report.when == "teardown":
            self.show_if_last(report.nodeid)

    def show_if_last(self, nodeid: str) -> None:
        """Print the task of a check if this was its last."""
        place = next(i for i, item in enumerate(self.selected) if item.nodeid == nodeid)
        task_ids = [task_of(item) for item in self.selected[place : place + 2]]
        if len(set(task_ids)) < len(task_ids):
            return
        number = int(task_ids[0].split(".")[0])
        one = self.sessions[number]
        if number not in self.headed:
            self.headed.add(number)
            show_heading(one)
        show_task(one.result.task(task_ids[0]), one.problem)

    def pytest_sessionfinish(  # type: ignore[override]
        self, session: pytest.Session, exitstatus: int
    ) -> None:
        """Print the points, the hints and the next thing to do."""
        for broken in self.stats.get("error", []):
            console.print(escape(broken.longreprtext))
        if not session.items and not self.stats:
            say("no check was selected")
        for number in self.headed:
            one = self.sessions[number]
            show_total(one.result)
            if self.config.getoption("--inprocess"):
                warn("--inprocess runs your code in the grader: this is not how grading is done")
            if hints := self.config.getoption("--hint"):
                task = one.lab.task(self.config.getoption("--task"))
                for place, hint in enumerate(task.hints[: int(hints)], 1):
                    say(f"hint {place} of 3: {hint}")
            elif one.problem:  # of no task
                next_step("mend", ROOT / one.submission.path)
            else:
                show_next(one)

    def pytest_terminal_summary(self) -> Generator[None, None, None]:
        """No sections of tracebacks: each failure stands under its task."""
        yield

    def summary_stats(self) -> None:
        """No count of test functions."""

    def pytest_unconfigure(self) -> None:
        """Nothing is left to report."""


def task_of(item: pytest.Item) -> str:
    """The id of the task that an item checks."""
    mark = item.get_closest_marker("check")
    assert mark is not None, f"{item.nodeid} has no check mark"
    return mark.kwargs["task"]
