"""The grading of one submission: whose code goes into which worker, and what it may use up."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grading.core.inputs import drawing_of, hidden_inputs, public_inputs
from grading.core.processes import reference, zygote
from grading.core.results import Check, TaskResult, empty_result, stamp
from grading.sandbox.failures import CheckFailed
from grading.sandbox.proxy import StudentRaised
from grading.sandbox.rehearsal import rehearse
from grading.sandbox.workers import CPU_SECONDS, Raised, Refused, Worker, WorkerDied, Zygote
from labs.course.catalogue import Lab
from labs.course.chosen import chosen_source, differing, left_behind
from labs.course.code import missing_notes
from labs.course.definitions import definitions, unfinished
from labs.course.submission import Submission, read_submission, syntax_error
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import few, printable

BUDGET = 10  # times what the solution takes, for a whole submission
DEATHS = 2  # of a task's worker, or in a row while loading, before the rest is given up
OPEN = (
    "hidden checks show their inputs to the submission, and here nothing keeps it in: isolation is "
    "{}. Add --accept-open (make: ACCEPT_OPEN=1) if you trust it, or --public to leave them out"
)


@dataclass
class Spent:
    """Seconds that a submission has had in all, of CPU and by the clock."""

    cpu: float = 0.0
    wall: float = 0.0

    def over(self, allowed: int) -> str:
        """What of it is more than is allowed; "" if nothing is."""
        named = {"of CPU": self.cpu, "by the clock": self.wall}
        over = [f"{allowed} s {name}" for name, seconds in named.items() if seconds > allowed]
        return " and ".join(over)


class Session:
    """The grading of one submission of one lab.

    Parameters
    ----------
    lab
        Which lab.
    code
        None for what `chosen_source` chooses, "solution", or the path of a .py or .ipynb file.
    checks
        Every check the lab has, whether it will run or not: points are shared before it starts.
    student
        Who handed it in: decides, with the course's secret, the inputs of hidden checks.
    accept_open
        Run hidden checks though the machine locks no worker in.
    parent
        Which zygote forks the workers; the lab's own unless told.
    """

    def __init__(
        self,
        lab: Lab,
        code: str | None,
        checks: list[Check],
        student: str = "local",
        accept_open: bool = False,
        parent: Zygote | None = None,
    ):
        self.lab = lab
        self.checks = {check.name: check for check in checks}
        self.student = student
        self.accept_open = accept_open
        self._parent = parent
        self.solution: str | None = None  # a student's copy of the course has none
        if lab.solution_file.is_file():
            self.solution = lab.solution_file.read_text(encoding="utf-8")
        elif code == "solution":
            raise EtudeError(f"this copy of the course has no solution of lab {lab.number}")
        self.reference = reference(lab)
        if code == "solution":
            path = lab.solution_file
        else:
            path = chosen_source(lab) if code is None else Path(code)
        self.path = path.absolute()  # of what is compiled, when and where that is asked for
        self.problem: str | None = None
        rehearsal = rehearse(path)
        self.codes: dict[tuple[str, ...], bytes] = {(): rehearsal.code}
        try:
            if rehearsal.trouble:
                raise EtudeError(f"{shown(path)} cannot be read: {rehearsal.trouble}")
            self.submission = read_submission(path)
        except EtudeError as error:
            self.submission = Submission(path, "")
            self.problem = str(error)
        if self.problem is None and rehearsal.flaw:
            problem = syntax_error(self.submission, rehearsal.flaw)
            self.problem = f"{problem}: Python cannot read this line, so nothing could be graded"
        names = [task.name for task in lab.tasks]
        source = "" if self.problem else self.submission.source
        found = definitions(source)
        self.stubs = set(unfinished(source, names)) & set(found)
        self.lost = {} if self.problem else missing_notes(lab, self.submission)
        self.notes = self.submission.notes + bidirectional_notes(self.submission)
        if code is None and not self.problem:
            self.notes += left_behind(lab, path)
        self.result = empty_result(lab, checks, shown(path), stamp(lab), self.isolation())
        self.result.seconds_allowed = BUDGET * lab.grading_seconds
        self.spent = Spent()
        self.result.notes = list(self.notes)
        for task in self.result.tasks:
            task.line = found[task.name].line if task.name in found else None
        self.begin()

    def not_alike(self, other: Path) -> list[str]:
        """Tell in what a second file that the student handed in differs; [] if it cannot be read.

        What only one of the files has finished is left out.
        """
        if self.problem or not rehearse(other).code:
            return []
        ids = ", ".join(differing(self.lab, self.path, other))
        mine, theirs = printable(self.path.name), printable(other.name)
        told = f"{mine} was graded; {theirs}, which was handed in too, differs from it in {ids}"
        return [f"{told}: hand in only the file that counts"] if ids else []

    def begin(self) -> None:
        """Have no worker yet."""
        self.loading_deaths = 0
        self.deaths: dict[tuple[str, bool], int] = {}
        self.workers: dict[tuple[str, bool], Worker] = {}
        self.reader: Worker | None = None

    def clone(self, lane: int) -> "Session":
        """The same grading with workers of its own, for another thread; one result."""
        other = copy.copy(self)
        other.begin()
        other.reference = reference(self.lab, lane)
        return other

    @property
    def parent(self) -> Zygote:
        """The process that workers are forked from."""
        return self._parent or zygote(self.lab)

    def isolation(self) -> str:
        """What kept the submission in, for the report."""
        return self.parent.isolation.text

    def may_run(self, check: Check) -> bool:
        """Whether hidden inputs may be shown to workers of this level."""
        return not check.hidden or self.accept_open or self.parent.isolation.level != "open"

    # Whose code

    def code(self, task: TaskResult, alone: bool) -> bytes:
        """The student's own module; or, alone, with what the task builds on from the solution."""
        borrowed = tuple(self.prerequisites(task.id)) if alone else ()
        if borrowed not in self.codes:
            rehearsal = rehearse(self.path, self.solution or "", borrowed)
            if not rehearsal.code:  # never of an honest file, which was read before
                raise CheckFailed("died", f"with {' and '.join(borrowed)}: {rehearsal.trouble}")
            self.codes[borrowed] = rehearsal.code
        return self.codes[borrowed]

    def prerequisites(self, task_id: str) -> list[str]:
        """Names of the tasks that a task builds on, directly or not."""
        names: dict[str, None] = {}
        for other in self.lab.task(task_id).builds_on:
            names |= dict.fromkeys([*self.prerequisites(other), self.lab.task(other).name])
        return list(names)

    def worker(self, check: Check, task: TaskResult, alone: bool) -> Worker:
        """The task's worker for a pass, loaded; a new one if the last died."""
        key = (task.id, alone)
        if used := self.spent.over(self.result.seconds_allowed):
            raise CheckFailed("died", f"not run: the file has used up its {used}")
        if self.loading_deaths >= DEATHS:
            raise CheckFailed("died", "not run: the file ended the process each time it loaded")
        if self.deaths.get(key, 0) >= DEATHS:
            raise CheckFailed("died", "not run: this task's earlier checks ended the process")
        worker = self.workers.get(key)
        if worker is None or worker.dead:
            # another task's may hold gigabytes; and what is borrowed in one pass, or asked in a
            # hidden check, nobody who lives on may learn
            while self.workers:
                self.workers.popitem()[1].remove()
            worker = self.workers[key] = self.parent.worker()
            self.allow(worker, check)
            self.load(worker, self.code(task, alone))
        return worker

    def ready(self, check: Check, task: TaskResult, alone: bool) -> Worker:
        """The task's worker; a failure here is not of the function that is asked."""
        try:
            return self.worker(check, task, alone)
        except CheckFailed as failure:
            failure.asked = False
            raise

    def load(self, worker: Worker, code: bytes) -> None:
        """Load the submission; what goes wrong there is told once and in its own words."""
        try:
            worker.load(code, self.submission.source)
        except WorkerDied as death:
            self.loading_deaths += 1
            raise CheckFailed("died", f"loading {self.result.submission} {death}") from None
        except Raised as error:
            worker.remove()
            called = f"loading {self.result.submission}"
            raise StudentRaised(error, called, self.submission.place) from None
        self.loading_deaths = 0

    def allow(self, worker: Worker, check: Check) -> None:
        """Give a worker what one check may take."""
        worker.allow(check.cpu or CPU_SECONDS, check.wall)

    def asking(self, check: Check, task: TaskResult, alone: bool) -> Callable[..., Any]:
        """What the student's proxy asks."""

        def ask(**question: Any) -> Any:
            started = time.monotonic()
            try:
                return self.ready(check, task, alone).ask(**question)
            except WorkerDied:
                key = (task.id, alone)
                self.deaths[key] = self.deaths.get(key, 0) + 1
                raise
            finally:
                self.spent.wall += time.monotonic() - started
                alive = [worker for worker in self.workers.values() if not worker.dead]
                self.spent.cpu += sum(worker.cpu_since() for worker in alive)

        return ask

    def read(self, **question: Any) -> Any:
        """What the reader's proxy asks: a worker that holds nobody's code."""
        if self.reader is None or self.reader.dead:
            if self.reader is not None:
                self.reader.remove()
            self.reader = self.parent.worker()
        self.reader.allow(CPU_SECONDS)
        try:
            return self.reader.ask(**question)
        except (WorkerDied, Raised, Refused):  # over nothing but what it was given to read
            raise CheckFailed("value", "what came back cannot be read") from None

    def rng(self, check: Check) -> np.random.Generator:
        """The generator of a check's inputs."""
        if not check.hidden:
            return public_inputs(check)
        return hidden_inputs(self.lab, check, drawing_of(self.lab, self.student))

    def close(self) -> None:
        """End this submission's workers; the zygote and the solution's worker stay."""
        for worker in self.workers.values():
            worker.remove()
        if self.reader is not None:
            self.reader.remove()


def bidirectional_notes(submission: Submission) -> tuple[str, ...]:
    """Tell where marks of writing direction make code look like other code (CVE-2021-42574)."""
    marks = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    found = [
        (number, mark)
        for number, line in enumerate(submission.source.splitlines(), 1)
        if (mark := next((character for character in line if character in marks), None))
    ]
    notes = (  # each place is looked up, and a file may have 100,000
        f"{submission.place(number)} holds the mark U+{ord(mark):04X}: what is shown there need "
        "not be what runs"
        for number, mark in found
    )
    return few(notes, len(found))
