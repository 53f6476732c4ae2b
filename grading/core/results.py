"""The one result model: what the console, the JSON and every later door are made from."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from grading.sandbox.failures import Difference
from labs.course.catalogue import Lab, Task, checks_hash
from toolkit import __version__
from toolkit.paths import write_whole

Outcome = Literal["passed", "failed", "not started", "error", "not run"]
PUBLIC_SHARE = 0.6


@dataclass
class CheckResult:
    """One check's verdict."""

    name: str
    says: str
    hidden: bool
    points: float
    outcome: Outcome = "not run"
    message: str = ""
    own_chain: bool = True
    died: bool = False  # the process ended, crashed, or took too long
    seconds: float = 0.0
    # neither is part of the report: one is for pictures, one for whoever looks after the grader
    difference: Difference | None = field(default=None, repr=False)
    traceback: str = field(default="", repr=False)

    @property
    def earned(self) -> float:
        """Its points if it passed, else 0."""
        return self.points if self.outcome == "passed" else 0.0


@dataclass
class TaskResult:
    """One task's checks; what it is worth never depends on what ran."""

    id: str
    name: str
    possible: float
    line: int | None = None
    checks: list[CheckResult] = field(default_factory=list)

    @property
    def earned(self) -> float:
        """Points so far."""
        return round(sum(check.earned for check in self.checks), 6)

    @property
    def outcome(self) -> Outcome:
        """The worst of its checks' outcomes; checks that did not run do not count."""
        outcomes = {check.outcome for check in self.checks}
        worst: tuple[Outcome, ...] = ("error", "failed", "not started", "passed")
        return next((outcome for outcome in worst if outcome in outcomes), "not run")


@dataclass
class LabResult:
    """One lab's tasks, and what the grading depended on."""

    lab: int
    title: str
    submission: str
    stamp: dict[str, str]
    isolation: str
    tasks: list[TaskResult]
    notes: list[str] = field(default_factory=list)
    seconds_allowed: int = 0  # for the whole submission, of CPU and by the clock

    @property
    def earned(self) -> float:
        """Points in all."""
        return round(sum(task.earned for task in self.tasks), 6)

    @property
    def possible(self) -> float:
        """Points there are."""
        return sum(task.possible for task in self.tasks)

    def task(self, task_id: str) -> TaskResult:
        """One task's result."""
        return next(task for task in self.tasks if task.id == task_id)

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        plain = asdict(self) | {"earned": self.earned, "possible": self.possible}
        for entry, task in zip(plain["tasks"], self.tasks, strict=True):
            entry |= {"earned": task.earned, "outcome": task.outcome}
            for small, check in zip(entry["checks"], task.checks, strict=True):
                small["earned"] = check.earned
                del small["difference"], small["traceback"]
        return plain

    def without_times(self) -> dict[str, Any]:
        """The same without seconds: two gradings of the same work agree."""
        plain = self.as_json()
        for task in plain["tasks"]:
            for check in task["checks"]:
                del check["seconds"]
        return plain

    def write(self, path: Path) -> None:
        """Write the JSON atomically: a killed grader leaves the last whole result."""
        write_json(path, self.as_json())


def write_json(path: Path, content: Any) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False))


@dataclass(frozen=True)
class Check:
    """A check as its file declares it."""

    name: str
    task: str
    says: str
    weight: float
    hidden: bool
    cpu: int | None
    wall: float | None = None


def messages(checks: Iterable[CheckResult]) -> list[str]:
    """Each check's message; "as above" if an earlier check has the same."""
    found: list[str] = []
    for check in checks:
        again = bool(check.message) and check.message in found
        found.append("as above" if again else check.message)
    return found


def share_points(task: Task, checks: Iterable[Check]) -> list[CheckResult]:
    """Give the public checks 60 % of a task's points and the hidden ones 40 %, by weight."""
    checks = list(checks)
    results = []
    for check in checks:
        share = 1 - PUBLIC_SHARE if check.hidden else PUBLIC_SHARE
        weights = sum(other.weight for other in checks if other.hidden == check.hidden)
        points = task.points * share * check.weight / weights
        results.append(CheckResult(check.name, check.says, check.hidden, points))
    return results


def empty_result(
    lab: Lab, checks: list[Check], submission: str, stamp: dict[str, str], isolation: str
) -> LabResult:
    """What there is to earn, before anything runs."""
    tasks = [
        TaskResult(
            task.id,
            task.name,
            task.points,
            checks=share_points(task, (check for check in checks if check.task == task.id)),
        )
        for task in lab.tasks
    ]
    return LabResult(lab.number, lab.title, submission, stamp, isolation, tasks)


def stamp(lab: Lab) -> dict[str, str]:
    """What must agree for two gradings to agree; the grader itself never imports Keras."""
    return {
        "Etude": __version__,
        "Python": platform.python_version(),
        "Keras": importlib.metadata.version("keras"),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "device": "cpu",
        "checks": checks_hash(lab),
    }
