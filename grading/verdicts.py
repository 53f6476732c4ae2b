"""What `pytest grading` prints: a stamp, a line a task, what failed and why, what to do next."""

from typing import Any

import pytest
from _pytest.terminal import TerminalReporter
from rich.markup import escape

from grading.results import LabResult, TaskResult
from grading.session import Session
from toolkit.console import console, heading, next_step, say, stamp, warn
from toolkit.paths import ROOT

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


class Verdicts(TerminalReporter):  # type: ignore[misc]  # final by annotation only
    """pytest's terminal reporter, replaced: students read verdicts, not test names."""

    def __init__(self, config: pytest.Config, sessions: dict[int, Session]):
        super().__init__(config)
        self.sessions = sessions
        self.shown: set[tuple[int, str]] = set()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Print nothing yet: nobody knows which labs there will be."""
        self._session = session
        self.selected: list[pytest.Item] = []

    def pytest_collection(self) -> None:
        """Collecting takes no time worth a line."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print a stamp for the first lab."""
        self.selected = session.items
        for one in self.sessions.values():
            stamp({**one.result.stamp, "isolation": one.result.isolation.split()[0]})
            break

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Say nothing when a check starts."""

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say nothing when a check ends: `show_finished` speaks when a task does."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep pytest's statistics and print a task's line when its last check is done."""
        category, _, _ = self.config.hook.pytest_report_teststatus(
            report=report, config=self.config
        )
        self._add_stats(category, [report])
        if report.failed and (self.config.getoption("--inprocess") or report.grader_error):
            console.print(escape(report.longreprtext))
        if report.when == "teardown":
            self.show_finished(report.nodeid)

    def show_finished(self, nodeid: str) -> None:
        """Print the line of the task whose last selected check this was."""
        items = self.selected
        index = next(place for place, item in enumerate(items) if item.nodeid == nodeid)
        task_id = self.task_of(items[index])
        if index + 1 < len(items) and self.task_of(items[index + 1]) == task_id:
            return
        number = int(task_id.split(".")[0])
        result = self.sessions[number].result
        if not any(lab == number for lab, _ in self.shown):
            heading(f"Lab {number}  {result.title}")
            say(f"{result.submission}\n")
            for note in self.sessions[number].notes:
                warn(note)
            if problem := self.sessions[number].problem:
                console.print(f"[bold red]stopped:[/bold red] {escape(problem)}\n")
        self.shown.add((number, task_id))
        self.show_task(result.task(task_id), self.sessions[number].problem)

    @staticmethod
    def task_of(item: pytest.Item) -> str:
        """The id of the task that an item checks."""
        mark = item.get_closest_marker("check")
        return mark.kwargs["task"] if mark else "0.0"

    def show_task(self, task: TaskResult, problem: str | None) -> None:
        """A task's line, and what failed in it, but for what stands at the top already."""
        colour = COLOURS[task.outcome]
        own = all(check.own_chain for check in task.checks)
        outcome = task.outcome if own else f"{task.outcome}, alone"
        score = f"{points(task.earned):>4} of {points(task.possible)}"
        console.print(f"  {task.id:<5}{task.name:<24}[{colour}]{outcome:<14}[/{colour}]{score}")
        told = {problem}
        for check in task.checks:
            if check.message and check.message not in told:
                told.add(check.message)
                lines = f"{check.says}\n{check.message}" if check.own_chain else check.message
                first, *rest = lines.splitlines()
                console.print(f"       [dim]·[/dim] {escape(first)}")
                for line in rest:
                    console.print(f"         {escape(line)}")

    def pytest_sessionfinish(  # type: ignore[override]
        self, session: pytest.Session, exitstatus: int
    ) -> None:
        """Print totals, hints and the next thing to do."""
        for one in self.sessions.values():
            if one is not None:
                self.show_total(one.result)
        hints = self.config.getoption("--hint")
        task_id = self.config.getoption("--task")
        for one in self.sessions.values():
            if one is None:
                continue
            if hints and task_id:
                for place, hint in enumerate(one.lab.task(task_id).hints[:hints], 1):
                    say(f"hint {place} of 3: {hint}")
            self.show_next(one)
        if not session.items and not self.stats.get("error"):
            say("no check was selected")
        for report in self.stats.get("error", []):
            console.print(escape(report.longreprtext))

    def show_total(self, result: LabResult) -> None:
        """Points so far, of what could be earned by what ran."""
        ran = [task for task in result.tasks if task.outcome != "not run"]
        if not ran:
            return
        earned = sum(task.earned for task in ran)
        missing = sum(
            check.points for task in ran for check in task.checks if check.outcome == "not run"
        )
        possible = sum(task.possible for task in ran)
        here = sum(check.points for task in ran for check in task.checks) - missing
        bar = "█" * round(20 * earned / possible) + "░" * (20 - round(20 * earned / possible))
        console.print(f"\n  {bar}  [bold]{points(earned)} of {points(possible)}[/bold]")
        if here < possible - 1e-6:
            say(f"  {points(earned)} of {points(here)} graded here; the rest did not run")
        if any(task.outcome == "error" for task in ran):
            warn("a check broke in the grader itself: tell your instructor, it is not your fault")
        if self.config.getoption("--inprocess"):
            warn("--inprocess runs your code inside the grader: this is not how grading is done")

    def show_next(self, one: Session) -> None:
        """The first task that is not finished, with its place."""
        for task in one.result.tasks:
            if (
                task.outcome in ("failed", "not started")
                and (one.lab.number, task.id) in self.shown
            ):
                word = "write" if task.outcome == "not started" else "mend"
                path = one.submission.path
                path = path if path.is_absolute() else ROOT / path
                next_step(f"{word} {task.id} {task.name}", path, task.line)
                if not self.config.getoption("--hint"):
                    number = task.id
                    say(f"      make grade TASK={number} HINT=1 gives a hint")
                return
        if one.result.earned == one.result.possible:
            next_step(f"all of lab {one.lab.number} is right: make submit LAB={one.lab.number}")

    def summary_stats(self) -> None:
        """No count of test functions."""

    def pytest_terminal_summary(self) -> Any:
        """No sections of tracebacks: each failure stands under its task."""
        yield

    def pytest_unconfigure(self) -> None:
        """Nothing left to report."""
