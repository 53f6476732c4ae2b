"""Grade many submissions in all cores or on a cluster, and keep one JSON a student.

What is graded is written at once and never graded again: whatever ends the run, the same command
goes on. A result counts as long as the file handed in, the lab's checks and solution, and the
versions it was graded with are the same.
"""

import contextlib
import hashlib
import json
import re
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from grading.classroom.similarity import fingerprint
from grading.classroom.submissions import Handed
from grading.core.collect import CheckTest, collect
from grading.core.imports import with_imports
from grading.core.processes import zygote
from grading.core.results import empty_result, stamp, write_json
from grading.core.run import grade
from grading.core.secret import secret_mark
from grading.core.session import Session
from labs.course.catalogue import Lab, load_lab
from toolkit.console import progress, say, warn
from toolkit.data.parallel import each_result
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, hold, shown, write_whole
from toolkit.plain import plain

Result = dict[str, Any]
Answers = Generator[tuple[int, Result | None, str | None], None, None]

_one_at_a_time = threading.Lock()  # a Dask worker may have threads; the working folder is one


@dataclass(frozen=True)
class Job:
    """One submission to grade, on this machine or another."""

    lab: int
    handed: Handed
    state: str
    tasks: tuple[str, ...] | None = None
    again: int = 0
    secret: str = field(default_factory=secret_mark)


# One submission


@cache
def lab_of(number: int) -> Lab:
    """A lab, read once in each process."""
    return load_lab(number)


@cache
def checks_of(lab: int) -> list[CheckTest]:
    """A lab's checks, collected once in each process."""
    return collect(lab_of(lab))


@cache
def state_of(lab: Lab) -> str:
    """Hash all that points depend on beside the submission and the secret."""
    digest = hashlib.sha256(json.dumps(stamp(lab)).encode())
    folder = ROOT / "grading" / f"lab{lab.number}"
    paths = [path for path in folder.rglob("*.py") if "bank" not in path.parts]
    paths += [ROOT / "grading" / "core" / "run.py", lab.solution_file, lab.folder / "lab.toml"]
    for name in sorted(with_imports([str(path.relative_to(ROOT)) for path in paths])):
        digest.update(f"{name}\0".encode() + (ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def grade_one(job: Job) -> Result:
    """Grade one submission; its result as plain values.

    Raises
    ------
    EtudeError
        If the checks here are not those of whoever asks.
    """
    lab = lab_of(job.lab)
    if job.state != state_of(lab):
        raise EtudeError(f"lab {lab.number}'s checks, solution or versions differ on this worker")
    if job.secret != secret_mark():
        raise EtudeError("ETUDE_SECRET differs on this worker: start it with the class's own")
    if job.handed.problem:
        return ungraded(job, "failed", job.handed.problem)
    started = time.monotonic()
    tasks = list(job.tasks) if job.tasks else None
    with _one_at_a_time, tempfile.TemporaryDirectory(dir=zygote(lab).folder) as folder:
        path = Path(job.handed.file)  # relative: what the student is told names no folder of ours
        with contextlib.chdir(folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(job.handed.content)
            session = grade(
                lab, str(path), checks_of(lab.number), tasks, student=job.handed.student
            )
            beside = told_of_other(session, job.handed)
    problem, lost = session.problem or "", list(session.lost.values())
    if len(lost) == len(lab.tasks):
        problem = f"{path} has none of lab {lab.number}'s functions: is it another lab's file?"
        lost = []
    notes = [*session.notes, *lost, *job.handed.notes, *beside]
    prints: dict[str, str] = {}
    for task in [] if problem else tasks or [task.id for task in lab.tasks]:
        try:
            prints |= fingerprint(session.submission.source, lab, [task])
        except Exception as error:  # of Python's own, over code that runs: it costs no points
            notes.append(f"{task} could not be compared with the others' ({type(error).__name__})")
    facts = {"problem": problem, "notes": notes, "prints": prints}
    seconds = round(time.monotonic() - started, 2)
    return session.result.as_json() | about(job) | facts | {"seconds": seconds}


def told_of_other(session: Session, handed: Handed) -> list[str]:
    """In what the file beside the graded one differs."""
    if handed.other is None:
        return []
    name, content = handed.other
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        return session.not_alike(path)


def ungraded(job: Job, outcome: str, why: str) -> Result:
    """The result of a submission of which nothing ran."""
    lab = lab_of(job.lab)
    checks = [check for check, _ in checks_of(job.lab)]
    result = empty_result(lab, checks, job.handed.file, stamp(lab), "nothing ran")
    for task in result.tasks:
        for check in task.checks:
            if job.tasks is None or task.id in job.tasks:
                check.outcome, check.message = outcome, why  # type: ignore[assignment]
    facts = {"problem": why, "notes": list(job.handed.notes), "prints": {}, "seconds": 0.0}
    return result.as_json() | about(job) | facts


def about(job: Job) -> Result:
    """Whose result it is, and of what."""
    handed = job.handed
    return {
        "student": handed.student,
        "people": [asdict(person) for person in handed.people],
        "digest": handed.digest,
        "state": job.state,
        "secret": job.secret,
        "graded_tasks": list(job.tasks) if job.tasks else None,
        "again": job.again,
        "tried_again": False,
    }


def timed_out(result: Result) -> bool:
    """Whether a check failed because the process took too long, or ended."""
    return any(
        check["outcome"] == "failed" and check.get("died", False)  # old results have no such word
        for task in result["tasks"]
        for check in task["checks"]
    )


# All of them


class Classroom:
    """A class's results in a folder.

    Parameters
    ----------
    folder
        Where the results are, or will be.
    tasks
        Ids of the tasks to grade; None for all.
    """

    def __init__(self, lab: Lab, folder: Path, tasks: tuple[str, ...] | None = None):
        self.lab = lab
        self.folder = folder
        self.tasks = tasks
        self.state = state_of(lab)
        try:
            self.again = int((folder / "again").read_text())
        except (OSError, ValueError):
            self.again = 0

    def claim(self, submissions: Path, regrade: bool) -> None:
        """Note whose results these are, and go on only where they are the same's.

        Raises
        ------
        EtudeError
            If the folder holds another class's or lab's, or, unless all are graded again, results
            of another secret.
        """
        path = self.folder / "origin.json"
        facts = {"submissions": str(submissions.resolve()), "lab": self.lab.number}
        facts |= {"secret": secret_mark()}
        try:
            known = facts | json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):  # an older folder has none
            known = facts
        if known | {"secret": ""} != facts | {"secret": ""}:
            raise EtudeError(
                f"{shown(self.folder)} holds the results of {shown(Path(known['submissions']))}, "
                f"lab {known['lab']}: give RESULTS=another folder, or, if what was handed in has "
                f"only moved, delete {shown(path)}"
            )
        if known != facts and not regrade:
            raise EtudeError(
                f"the results in {shown(self.folder)} were graded with another ETUDE_SECRET: set "
                "that one, or add REGRADE=1 to grade all again with the present one"
            )
        with writing(self.folder):
            write_json(path, facts)

    def regrade(self) -> None:
        """Let no result count that is there; they stay until each is graded again."""
        self.again += 1
        with writing(self.folder):
            write_whole(self.folder / "again", str(self.again))

    def job(self, handed: Handed) -> Job:
        """What is to be done for one submission."""
        return Job(self.lab.number, handed, self.state, self.tasks, self.again)

    def path(self, student: str) -> Path:
        """Where a student's result is; a name that no file can have is shortened."""
        name = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", student)
        if name != student or len(name.encode()) > 200 or name.startswith("."):
            tail = hashlib.sha256(student.encode()).hexdigest()[:8]
            name = f"_{name.encode()[:180].decode(errors='ignore')}-{tail}"
        return self.folder / "students" / f"{name}.json"

    def read(self, student: str) -> Result | None:
        """A student's last whole result."""
        try:
            result = json.loads(self.path(student).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if result.get("student") == student else None

    def done(self, handed: Handed) -> bool:
        """Whether a submission's result is there, and still counts."""
        result = self.read(handed.student)
        return result is not None and (
            result["digest"] == handed.digest
            and result["state"] == self.state
            and result.get("secret") == secret_mark()
            and result["graded_tasks"] == (list(self.tasks) if self.tasks else None)
            and result["again"] == self.again
            and not broken(result)
        )

    def write(self, result: Result) -> None:
        """Write a student's result.

        Raises
        ------
        EtudeError
            If the folder cannot be written or is full; what was written stays.
        """
        with writing(self.folder):
            write_json(self.path(result["student"]), result)

    def grade(self, handed: list[Handed], cluster: str | None = None) -> None:
        """Grade each submission and write its result; those that ran out of time again, alone."""
        try:
            if again := self.round(handed, "grading", cluster):
                say(f"{len(again)} ran out of time or stopped: graded once more, alone")
                self.round(again, "once more", None, last=True)
        except KeyboardInterrupt:
            kept = sum(map(self.done, handed))
            warn(f"{kept} of {len(handed)} are graded and kept: the same command continues")
            raise

    def round(
        self, handed: list[Handed], description: str, cluster: str | None, last: bool = False
    ) -> list[Handed]:
        """Grade each once and write its result, but for those that get another try."""
        jobs = [self.job(one) for one in handed]
        answers = on_cluster(cluster, jobs) if cluster else here(jobs, 1 if last else None)
        again = []
        with progress(description, len(jobs)) as count, contextlib.closing(answers):
            for index, result, reason in answers:
                if result is None:
                    why = f"the grader failed: {plain(reason or '')}"
                    result = ungraded(jobs[index], "error", why)
                result["tried_again"] = last
                if not last and (broken(result) or timed_out(result)):
                    again.append(handed[index])
                else:
                    self.write(result)
                count()
        return again


def broken(result: Result) -> bool:
    """Whether the grader itself failed with a submission."""
    return any(task["outcome"] == "error" for task in result["tasks"])


def here(jobs: list[Job], processes: int | None) -> Answers:
    """Grade in child processes of this machine."""
    return each_result(grade_one, jobs, processes)


def on_cluster(address: str, jobs: list[Job]) -> Answers:
    """Grade on a Dask cluster; what a lost worker had goes to another.

    Raises
    ------
    EtudeError
        If Dask is not installed or nothing answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise EtudeError(
            "CLUSTER= needs Dask, which Etude does not install: pip install distributed"
        ) from None
    try:
        client = Client(address, timeout=20)
    except (OSError, ValueError) as error:
        raise EtudeError(f"no Dask scheduler answers at CLUSTER={address}: {error}") from None
    with client:
        futures = client.map(grade_one, jobs, pure=False)
        places = {future.key: index for index, future in enumerate(futures)}
        for future in as_completed(futures):
            if (failure := future.exception()) is None:
                yield places[future.key], future.result(), None
            else:
                yield places[future.key], None, f"{type(failure).__name__}: {failure}"
            future.release()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that may not be written into one sentence."""
    try:
        yield
    except OSError as error:
        raise EtudeError(
            f"results cannot be written to {shown(folder)}: {error.strerror or error}; what is "
            "there is whole: fix this and run the same command, it continues"
        ) from None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second run out of a results folder.

    Raises
    ------
    EtudeError
        If the folder cannot be made or written, or another run is at work there.
    """
    with writing(folder):
        (folder / "students").mkdir(parents=True, exist_ok=True)
        lock = hold(folder / ".lock")
    if lock is None:
        raise EtudeError(f"another run writes to {shown(folder)}: wait for it")
    with lock:
        with writing(folder):
            for left in folder.glob("**/.*.part"):  # of a run that was killed
                left.unlink(missing_ok=True)
        yield
