"""Grade one lab: whose code goes into which worker, the two passes, the four outcomes."""

import atexit
import copy
import hashlib
import hmac
import importlib
import importlib.metadata
import inspect
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grading.core.reference import Reference, answers_file
from grading.core.results import Check, CheckResult, TaskResult, empty_result
from grading.core.secret import course_secret
from grading.sandbox.failures import REASONS, CheckFailed
from grading.sandbox.proxy import Code, StudentRaised
from grading.sandbox.rehearsal import rehearse
from grading.sandbox.workers import (
    CPU_SECONDS,
    NoWorkerError,
    Raised,
    Refused,
    Worker,
    WorkerDied,
    Zygote,
)
from labs.course.catalogue import Lab, checks_hash
from labs.course.code import missing_notes, notebook_note
from labs.course.definitions import definitions, unfinished
from labs.course.submission import Submission, read_submission, syntax_error
from toolkit import __version__
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown
from toolkit.plain import few, plain

OWN_CHAIN = "graded on your own chain; your instructor's grading also tries it alone"
# Sets of inputs that hidden checks have: the solution answers each once for a whole class, a sixth
# of what a submission costs, and sharing answers pays nobody who does not see the inputs.
DRAWINGS = 16
BUDGET = 10  # times what the solution takes, for a whole submission
DEATHS = 2  # of a task's worker, or in a row while loading, before the rest is given up
OPEN = (
    "hidden checks show their inputs to the submission, and here nothing keeps it in: isolation is "
    "{}. Add --accept-open (make: ACCEPT_OPEN=1) if you trust it, or --public to leave them out"
)

_zygotes: dict[int, Zygote] = {}
_references: dict[tuple[int, int], Reference] = {}


class NotStarted(Exception):
    """The task is still the stub."""


def zygote(lab: Lab) -> Zygote:
    """The lab's zygote; it stays for the next grading in this process."""
    if lab.number not in _zygotes:
        builders = ROOT / "grading" / f"lab{lab.number}" / "builders.py"
        preload = ("keras", *lab.preload)
        _zygotes[lab.number] = Zygote(preload, builders if builders.is_file() else None)
        atexit.register(_zygotes[lab.number].close)
    return _zygotes[lab.number]


def reference(lab: Lab, lane: int = 0) -> Reference:
    """The lab's solution, or what it once answered; it serves every grading in this process.

    Each of several threads, numbered by its lane, has a worker of its own to ask.
    """
    if (lab.number, lane) not in _references:
        if lane:
            made = reference(lab).beside()
        elif lab.solution_file.is_file():
            made = new_reference(lab)
        else:
            made = Reference.recorded(answers_file(lab))
        _references[lab.number, lane] = made
    return _references[lab.number, lane]


def new_reference(lab: Lab) -> Reference:
    """The lab's solution, asked nothing yet."""

    def start() -> Worker:
        worker = zygote(lab).worker()
        worker.allow(60)
        solution = lab.solution_file.read_text(encoding="utf-8")
        worker.load(compile(solution, "solution.py", "exec"))
        return worker

    return Reference(start)


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
        None for the lab's `tasks.py`, "solution", or the path of a .py or .ipynb file.
    checks
        Every check the lab has, whether it will run or not: points are shared before it starts.
    student
        Who handed it in: decides, with the course's secret, the inputs of hidden checks.
    accept_open
        Run hidden checks though the machine locks no worker in.
    parent
        Which zygote forks the workers; the lab's own unless told.
    patient
        Nobody waits for one check's verdict: let a task's second passes follow all its first ones.
        The worker of one has ended before that of the other begins, and so there are two of them
        and not two for each check.
    """

    def __init__(
        self,
        lab: Lab,
        code: str | None,
        checks: list[Check],
        student: str = "local",
        accept_open: bool = False,
        parent: Zygote | None = None,
        patient: bool = False,
    ):
        self.lab = lab
        self.checks = {check.name: check for check in checks}
        self.student = student
        self.accept_open = accept_open
        self.patient = patient
        self._parent = parent
        self.solution: str | None = None  # a student's copy of the course has none
        if lab.solution_file.is_file():
            self.solution = lab.solution_file.read_text(encoding="utf-8")
        elif code == "solution":
            raise EtudeError(f"this copy of the course has no solution of lab {lab.number}")
        self.reference = reference(lab)
        path = Path(code) if code not in (None, "solution") else lab.tasks_file
        path = lab.solution_file if code == "solution" else path
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
        if code is None and not self.problem and (note := notebook_note(lab)):
            if self.stubs == set(names):
                raise EtudeError(note)  # nobody gets 0 for work that lies beside the file
            self.notes += (note,)
        self.result = empty_result(lab, checks, shown(path), stamp(lab), self.isolation())
        self.result.seconds_allowed = BUDGET * lab.grading_seconds
        self.spent = Spent()
        self.result.notes = list(self.notes)
        for task in self.result.tasks:
            task.line = found[task.name].line if task.name in found else None
        self.begin()

    def begin(self) -> None:
        """Have no worker yet."""
        self.loading_deaths = 0
        self.deaths: dict[tuple[str, bool], int] = {}
        self.workers: dict[tuple[str, bool], Worker] = {}
        self.reader: Worker | None = None
        # second passes of a task's checks that are still to come, if they may wait for each other
        self.put_off: list[tuple[Check, TaskResult, CheckResult, Callable, AssertionError]] = []

    def beside(self, lane: int) -> "Session":
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
                return self.worker(check, task, alone).ask(**question)
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

    # The passes

    def rng(self, check: Check) -> np.random.Generator:
        """The inputs' generator: fixed for public checks, one of `DRAWINGS` for hidden ones.

        Which of them a student gets, and what they are, only who knows the secret can tell.
        """
        if check.hidden:
            return np.random.default_rng(list(self.secret(str(self.set_of_inputs()), check.name)))
        digest = hmac.new(b"public", f":{check.name}".encode(), hashlib.sha256).digest()
        return np.random.default_rng(list(digest))

    def set_of_inputs(self) -> int:
        """Which set of hidden inputs this student meets."""
        return int.from_bytes(self.secret(self.student)[:8]) % DRAWINGS

    def secret(self, *words: str) -> bytes:
        """The course's secret digest of what is named."""
        text = ":".join((f"lab{self.lab.number}", *words)).encode()
        return hmac.new(course_secret().encode(), text, hashlib.sha256).digest()

    def run(self, name: str, test: Callable[..., None]) -> CheckResult:
        """Run one check: the student's own chain first, then the task alone if it builds on others.

        Raises
        ------
        Exception
            Whatever is not the submission's fault: an error in the grader.
        """
        check = self.checks[name]
        if not self.may_run(check):
            raise EtudeError(OPEN.format(self.parent.isolation.text))
        task = self.result.task(check.task)
        result = next(entry for entry in task.checks if entry.name == name)
        with self.told_if_broken(check, result):
            self.judge(check, task, result, test)
        return result

    @contextmanager
    def told_if_broken(self, check: Check, result: CheckResult) -> Iterator[None]:
        """Write into a check's result how long it took, and what broke in the grader."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            if not isinstance(error, AssertionError):
                words = "" if check.hidden else f": {plain(str(error))}"
                result.outcome, result.message = "error", type(error).__name__ + words
            raise
        finally:
            result.seconds = round(result.seconds + time.monotonic() - started, 3)

    def second_passes(self) -> None:
        """Go through the second passes that were put off, with one worker for all of a task."""
        while self.put_off:
            check, task, result, test, first = self.put_off.pop(0)
            with suppress(Exception), self.told_if_broken(check, result):
                self.alone(check, task, result, test, first)

    def run_or_note(self, name: str, test: Callable[..., None]) -> None:
        """Run one check; an error in the grader is told in its result, and nothing is raised.

        Raises
        ------
        EtudeError
            If it cannot run here at all.
        """
        if self.put_off and self.checks[name].task != self.put_off[0][1].id:
            self.second_passes()
        try:
            self.run(name, with_its_fixtures(test))
        except EtudeError:
            raise
        except Exception:  # told in the result as the grader's error
            return

    def judge(
        self, check: Check, task: TaskResult, result: CheckResult, test: Callable[..., None]
    ) -> None:
        """Fill in a check's result."""
        if self.problem:
            result.outcome, result.message = "failed", self.problem
            return
        if task.name in self.lost:
            result.outcome, result.message = "failed", self.lost[task.name]
            return
        if task.name in self.stubs:
            result.outcome = "not started"
            return
        try:
            self.attempt(check, task, test, alone=False)
        except AssertionError as first:
            result.outcome, result.message = "failed", self.told(check, task, first)
            result.died = getattr(first, "reason", "") == REASONS["died"]
            if not check.hidden:
                result.difference = getattr(first, "difference", None)
            if self.lab.task(task.id).builds_on and self.patient:
                self.put_off.append((check, task, result, test, first))
            elif self.lab.task(task.id).builds_on:
                self.alone(check, task, result, test, first)
        else:
            result.outcome = "passed"

    def alone(
        self,
        check: Check,
        task: TaskResult,
        result: CheckResult,
        test: Callable[..., None],
        first: AssertionError,
    ) -> None:
        """The second pass: exactly the prerequisites from the solution, nothing of it told."""
        if self.solution is None:
            if not any(OWN_CHAIN in entry.message for entry in task.checks):
                result.message += f"\n{OWN_CHAIN}"
            return
        try:
            self.attempt(check, task, test, alone=True)
        except AssertionError:
            return
        culprits = [
            other
            for other in self.prerequisites(task.id)
            if other in self.stubs or other in getattr(first, "functions", ())
        ] or self.prerequisites(task.id)
        ids = " or ".join(self.lab.task(name).id for name in culprits)
        result.outcome, result.own_chain, result.difference = "passed", False, None
        result.message = f"{task.id} is right; your own chain fails at {ids}"

    def attempt(
        self, check: Check, task: TaskResult, test: Callable[..., None], alone: bool
    ) -> None:
        """Run the check's function once."""
        worker = self.workers.get((task.id, alone))
        if worker is not None and not worker.dead:
            self.allow(worker, check)
        student = Code(self.asking(check, task, alone), self.submission.place)
        try:
            self.ask_all(check, test, student)
        except AssertionError as failure:
            failure.called = student.called  # type: ignore[attr-defined]
            raise
        except (NoWorkerError, EtudeError):
            raise
        except Exception as error:
            if not self.holds(check, test):
                raise
            said = f"{type(error).__name__}: {plain(str(error), 200)}"
            broken = CheckFailed("type", f"what came back is nothing to judge by ({said})")
            broken.called = student.called  # type: ignore[attr-defined]
            raise broken from None

    def ask_all(self, check: Check, test: Callable[..., None], student: Code) -> None:
        """Put a check's questions to one side, the solution's worker on the other."""
        solution = Code(self.reference.dialogue((check.cpu or CPU_SECONDS) + 60).ask)
        with_its_fixtures(test)(student, solution, Code(self.read), self.rng(check))

    def holds(self, check: Check, test: Callable[..., None]) -> bool:
        """Whether a check goes through with the solution here: then the grader is not at fault."""
        if self.solution is None:
            return False
        asked = self.reference.dialogue((check.cpu or CPU_SECONDS) + 60)
        try:
            self.ask_all(check, test, Code(asked.ask))
        except Exception:
            return False
        return True

    def told(self, check: Check, task: TaskResult, failure: AssertionError) -> str:
        """What a failure says: everything if public, the property and a fixed reason if hidden."""
        if check.hidden:
            reason = getattr(failure, "reason", REASONS["value"])
            return f"a hidden check of this property failed: {reason}"
        message = plain(str(failure) or check.says)
        called = getattr(failure, "called", "")
        if called and called not in message:
            message = f"{message}\nin {plain(called)}"
        worker = self.workers.get((task.id, False))
        printed = plain(worker.output().strip()) if worker is not None else ""
        return message + (f"\nit printed: {printed}" if printed else "")

    def close(self) -> None:
        """End this submission's workers; the zygote and the solution's worker stay."""
        for worker in self.workers.values():
            worker.remove()
        if self.reader is not None:
            self.reader.remove()


class InprocessSession(Session):
    """Everything in this process, exceptions as they are: a debugger can stop there."""

    def isolation(self) -> str:
        """None at all."""
        return "open (in the grader's own process)"

    def may_run(self, check: Check) -> bool:
        """Who asks for this has accepted it."""
        return True

    def judge(
        self, check: Check, task: TaskResult, result: CheckResult, test: Callable[..., None]
    ) -> None:
        """Run the check once, on the student's own chain."""
        from grading.sandbox.worker.serve import Server

        if self.problem:
            raise EtudeError(self.problem)
        if task.name in self.stubs:
            result.outcome = "not started"
            return
        sides = []
        for source, name in (
            (self.submission.source, str(self.submission.path)),
            (self.solution or "", "solution.py"),
            ("", "reader"),
        ):
            server = Server(f"grading.lab{self.lab.number}.builders")
            exec(compile(source, name, "exec"), server.module.__dict__)
            sides.append(Code(server.directly))
        if self.solution is None:
            sides[1] = Code(self.reference.dialogue(0).ask)
        result.outcome, result.message = "failed", check.says
        with_its_fixtures(test)(*sides, self.rng(check))
        result.outcome = "passed"


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


CheckTest = tuple[Check, Callable[..., None]]


def chosen(checks: list[CheckTest], tasks: list[str] | None, public: bool) -> list[CheckTest]:
    """Those of some tasks, or of all, with hidden ones or without."""
    return [
        (check, test)
        for check, test in checks
        if (tasks is None or check.task in tasks) and not (public and check.hidden)
    ]


def run_checks(session: Session, checks: list[CheckTest], at_once: int) -> None:
    """Run checks, so many at once, each thread with workers of its own, and end the workers.

    Raises
    ------
    EtudeError
        If a check cannot run here at all.
    """
    # one after another in their order; else those first that train: they take longest, stand last
    left = deque(checks if at_once == 1 else checks[::-1])
    lanes = [session, *(session.beside(lane) for lane in range(1, min(at_once, len(checks))))]

    def work(lane: Session) -> None:
        with suppress(IndexError):
            while True:
                check, test = left.popleft()
                lane.run_or_note(check.name, test)
        lane.second_passes()

    if at_once > 1 and not session.problem:
        session.parent.start()  # here, where Ctrl-C arrives: no other thread waits for the imports
    with ThreadPoolExecutor(at_once) as pool:
        try:
            others = [pool.submit(work, lane) for lane in lanes[1:]]
            work(session)
            for other in others:
                other.result()
        finally:  # Ctrl-C, too: what is being asked ends with its worker
            left.clear()
            for lane in lanes:
                lane.close()


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
    """Grade without pytest's console: in a notebook, for `submit`, the bank and a class.

    Parameters
    ----------
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
    declared = [check for check, _ in found]
    session = Session(lab, code, declared, student, accept_open, patient=True)
    run_checks(session, chosen(found, tasks, public), at_once)
    return session


def collect(lab: Lab) -> list[CheckTest]:
    """A lab's checks in the order of its tasks, from its folders `public` and `hidden`.

    Raises
    ------
    EtudeError
        If there are none.
    """
    found = []
    for path in sorted((ROOT / "grading" / f"lab{lab.number}").glob("*/test_*.py")):
        module = importlib.import_module(f"grading.lab{lab.number}.{path.parent.name}.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and hasattr(test, "pytestmark"):
                found.append((declared(name, test.pytestmark), test))
    if not found:
        raise EtudeError(f"lab {lab.number} has no checks yet")
    order = [task.id for task in lab.tasks]
    return sorted(found, key=lambda entry: (order.index(entry[0].task), entry[0].hidden))


def with_its_fixtures(test: Callable[..., None]) -> Callable[..., None]:
    """Hand a test only what its signature names of student, solution, reader and rng."""
    names = inspect.signature(test).parameters

    def given(student: Code, solution: Code, reader: Code, rng: np.random.Generator) -> None:
        values = {"student": student, "solution": solution, "reader": reader, "rng": rng}
        test(**{name: value for name, value in values.items() if name in names})

    return given


def declared(name: str, marks: list) -> Check:
    """Read a test's `check` mark."""
    (mark,) = (mark for mark in marks if mark.name == "check")
    return Check(name=name, **mark.kwargs)
