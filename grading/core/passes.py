"""One check of one submission: its two passes, the outcome, and what a failure tells."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grading.core.collect import with_its_fixtures
from grading.core.results import Check, CheckResult
from grading.core.session import OPEN, Session
from grading.sandbox.failures import REASONS, CheckFailed
from grading.sandbox.proxy import Code
from grading.sandbox.workers import CPU_SECONDS, NoWorkerError
from toolkit.errors import EtudeError
from toolkit.plain import plain

OWN_CHAIN = "graded on your own chain; your instructor's grading also tries it alone"


class Passes:
    """The student's own chain first; if that fails, the task alone where it builds on others.

    Attributes
    ----------
    undecided
        How the first pass failed, until the second has been.
    """

    def __init__(self, session: Session, check: Check, test: Callable[..., None]):
        self.session = session
        self.check = check
        self.test = with_its_fixtures(test)
        self.task = session.result.task(check.task)
        self.result = next(one for one in self.task.checks if one.name == check.name)
        self.undecided: AssertionError | None = None

    def first(self) -> None:
        """Run the check on the student's own chain.

        Raises
        ------
        Exception
            Whatever is not the submission's fault: an error in the grader.
        """
        with self.noted():
            self.judge()

    def second(self) -> None:
        """Run it with exactly the prerequisites from the solution, and tell nothing of that."""
        with self.noted():
            self.alone()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Write into the result how long it took, and what broke in the grader."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            words = "" if self.check.hidden else f": {plain(str(error))}"
            self.result.outcome, self.result.message = "error", type(error).__name__ + words
            self.result.traceback = traceback.format_exc()
            raise
        finally:
            self.result.seconds = round(self.result.seconds + time.monotonic() - started, 3)

    def judge(self) -> None:
        """Fill in the result, as far as one pass decides it."""
        session, result = self.session, self.result
        if problem := session.problem or session.lost.get(self.task.name):
            result.outcome, result.message = "failed", problem
            return
        if self.task.name in session.stubs:
            result.outcome = "not started"
            return
        try:
            self.attempt(alone=False)
        except AssertionError as failure:
            result.outcome, result.message = "failed", self.told(failure)
            result.died = getattr(failure, "reason", "") == REASONS["died"]
            if not self.check.hidden:
                result.difference = getattr(failure, "difference", None)
            if session.lab.task(self.task.id).builds_on:
                self.undecided = failure
        else:
            result.outcome, result.message = "passed", self.printed()

    def alone(self) -> None:
        """Overrule a failure that only what the task builds on has caused."""
        session, result, task = self.session, self.result, self.task
        failure, self.undecided = self.undecided, None
        if session.solution is None:
            if not any(OWN_CHAIN in entry.message for entry in task.checks):
                result.message += f"\n{OWN_CHAIN}"
            return
        try:
            self.attempt(alone=True)
        except AssertionError:
            return
        culprits = [
            other
            for other in session.prerequisites(task.id)
            if other in session.stubs or other in getattr(failure, "functions", ())
        ] or session.prerequisites(task.id)
        ids = " or ".join(session.lab.task(name).id for name in culprits)
        result.outcome, result.own_chain, result.difference = "passed", False, None
        result.message = f"{task.id} is right; your own chain fails at {ids}"

    def attempt(self, alone: bool) -> None:
        """Run the check's function once."""
        session, check = self.session, self.check
        worker = session.workers.get((self.task.id, alone))
        if worker is not None and not worker.dead:
            session.allow(worker, check)
        student = Code(session.asking(check, self.task, alone), session.submission.place)
        try:
            self.ask_all(student)
        except AssertionError as failure:
            failure.called = student.called  # type: ignore[attr-defined]
            raise
        except (NoWorkerError, EtudeError):
            raise
        except Exception as error:
            if not self.holds():
                raise
            said = f"{type(error).__name__}: {plain(str(error), 200)}"
            broken = CheckFailed("type", f"what came back is nothing to judge by ({said})")
            broken.called = student.called  # type: ignore[attr-defined]
            raise broken from None

    def ask_all(self, student: Code) -> None:
        """Put the check's questions to one side, the solution's worker on the other."""
        session = self.session
        self.test(student, Code(self.solution()), Code(session.read), session.rng(self.check))

    def solution(self) -> Callable[..., Any]:
        """What the solution's proxy asks."""
        return self.session.reference.dialogue((self.check.cpu or CPU_SECONDS) + 60).ask

    def holds(self) -> bool:
        """Whether the check goes through with the solution here: the grader is not at fault."""
        if self.session.solution is None:
            return False
        try:
            self.ask_all(Code(self.solution()))
        except Exception:
            return False
        return True

    def told(self, failure: AssertionError) -> str:
        """What a failure says: everything if public, the property and a fixed reason if hidden."""
        if self.check.hidden:
            reason = getattr(failure, "reason", REASONS["value"])
            return f"a hidden check of this property failed: {reason}"
        message = plain(str(failure) or self.check.says)
        called = getattr(failure, "called", "") if getattr(failure, "asked", True) else ""
        if called and called not in message:
            message = f"{message}\nin {plain(called)}"
        return "\n".join(filter(None, (message, self.printed())))

    def printed(self) -> str:
        """What the submission printed in a public check, as a line of a message."""
        worker = self.session.workers.get((self.task.id, False))
        printed = "" if worker is None or self.check.hidden else plain(worker.output().strip())
        return f"it printed: {printed}" if printed else ""


def run_check(session: Session, name: str, test: Callable[..., None]) -> CheckResult:
    """Run one check to its end.

    Raises
    ------
    EtudeError
        If it cannot run here at all.
    Exception
        Whatever is not the submission's fault: an error in the grader.
    """
    demand_isolation(session, session.checks[name])
    passes = Passes(session, session.checks[name], test)
    passes.first()
    if passes.undecided:
        passes.second()
    return passes.result


def demand_isolation(session: Session, check: Check) -> None:
    """Refuse to show hidden inputs to a submission that nothing keeps in.

    Raises
    ------
    EtudeError
        With what can be done.
    """
    if not session.may_run(check):
        raise EtudeError(OPEN.format(session.isolation()))
