"""Whose code runs: a lab's functions from the student, from the solution, or from both.

What a student has not written yet is borrowed from the solution and named as borrowed. A handout
holds no solution: there a run stops at the first unfinished function that it asks for.
"""

import ast
import hashlib
import importlib
import linecache
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from labs.course.catalogue import Lab, Task
from labs.course.chosen import chosen_source, left_behind
from labs.course.definitions import definitions, missing, unfinished
from labs.course.merge import merge
from labs.course.submission import Submission, read_submission, syntax_error
from toolkit.console import hushed
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import MESSAGE, plain, printable

IMPORT_SECONDS = 20
MANY = 200  # definitions of a file; a name that was lost is looked for among no more

YOURS, BORROWED, SOLUTION, UNFINISHED = "yours", "borrowed", "solution", "unfinished"


@dataclass(frozen=True)
class Origin:
    """The texts that a lab's functions are made of; enough to make them again elsewhere."""

    lab: Lab
    submission: Submission
    solution: str | None
    whose: dict[str, str]


class Tasks:
    """A lab's functions as attributes: `tasks.make_windows(...)`.

    It can be pickled: a child process makes the functions again from their source.

    Attributes
    ----------
    whose : dict of str to str
        For each task id "yours", "borrowed", "solution", or in a handout "unfinished".
    path : Path
        The file that was loaded: the student's, or the solution's.
    source : str
        Its text, of a notebook its definitions.
    notes : tuple of str
        What the student should be told.
    """

    def __init__(self, origin: Origin, module: ModuleType, notes: tuple[str, ...] = ()) -> None:
        self._origin = origin
        self._module = module
        self.whose = origin.whose
        self.path = origin.submission.path
        self.source = origin.submission.source
        self.notes = notes

    def __getattr__(self, name: str) -> Any:
        """Return what the loaded code calls `name`.

        Raises
        ------
        EtudeError
            If it is a task that is not written and cannot be borrowed.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        for task in self._origin.lab.tasks:
            if task.name == name and self.whose[task.id] == UNFINISHED:
                raise EtudeError(self._unfinished(task))
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise AttributeError(f"{self._origin.submission.path} has no {name}") from None

    def __reduce__(self) -> tuple:
        """Pickle the source texts, not the functions."""
        return _rebuild, (self._origin,)

    def describe(self) -> list[tuple[str, str, str]]:
        """Rows of task id, name and whose code it is."""
        return [(task.id, task.name, self.whose[task.id]) for task in self._origin.lab.tasks]

    def explain(self, error: BaseException) -> str | None:
        """Say in one sentence what went wrong in the loaded code; None if it went wrong elsewhere.

        Parameters
        ----------
        error : BaseException
            What was raised while an experiment ran.
        """
        submission = self._origin.submission
        # Keras raises some errors anew, with the first one as cause or context.
        earlier = error.__cause__ or error.__context__
        if earlier is not None and (sentence := self.explain(earlier)):
            return sentence
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename != str(submission.path):
                continue
            if isinstance(error, NotImplementedError):
                for task in self._origin.lab.tasks:
                    if error.args == (task.id,):
                        return self._unfinished(task)
            place = submission.place(frame.lineno or 1)
            return f"{place}, in {plain(frame.name, 80)}: {said(error)}"
        return None

    def first_unfinished(self) -> tuple[Task, str] | None:
        """The first task that is not the student's own yet, with its place in their file."""
        found = definitions(self.source)
        for task in self._origin.lab.tasks:
            if self.whose[task.id] in (BORROWED, UNFINISHED):
                line = found[task.name].line if task.name in found else 1
                return task, self._origin.submission.place(line)
        return None

    def missing(self, name: str) -> list[Task]:
        """The unfinished tasks among a task and those it builds on; none if they are borrowed."""
        lab = self._origin.lab
        needed, waiting = set(), [lab.task(name)]
        while waiting:
            task = waiting.pop()
            needed.add(task.id)
            waiting += [lab.task(other) for other in task.builds_on]
        return [
            task for task in lab.tasks if task.id in needed and self.whose[task.id] == UNFINISHED
        ]

    def left_out(self, models: Mapping[str, str]) -> dict[str, str]:
        """Say of each model that a handout's run goes without what is missing.

        Parameters
        ----------
        models : name -> the task that it is built by

        Raises
        ------
        EtudeError
            If none is left: where the first missing task is to be written.
        """
        missing = {model: self.missing(task) for model, task in models.items()}
        if all(missing.values()):
            raise EtudeError(self._unfinished(next(iter(missing.values()))[0]))
        return {model: not_run(model, tasks) for model, tasks in missing.items() if tasks}

    def _unfinished(self, task: Task) -> str:
        submission = self._origin.submission
        found = definitions(submission.source)
        if task.name not in found:
            return (
                f"{shown(submission.path)} has no {task.name} (task {task.id}), and there is no "
                f"solution to borrow it from: {_stub_back(submission, task)}"
            )
        place = submission.place(found[task.name].line)
        return f"{task.name} (task {task.id}) is not written yet: {place}"


def load_tasks(lab: Lab, code: str | Path | None = None) -> Tasks:
    """Load a lab's functions.

    Parameters
    ----------
    lab : Lab
        Which lab.
    code : str or Path, optional
        By default what `chosen_source` chooses; "solution", or the path of a `.py` or `.ipynb`
        file.

    Raises
    ------
    EtudeError
        If it is not clear which file counts, or the file is missing or not Python, or fails or
        never ends while it is imported.
    """
    solution = (
        lab.solution_file.read_text(encoding="utf-8") if lab.solution_file.is_file() else None
    )
    if code is not None and str(code) == SOLUTION:
        if solution is None:
            raise EtudeError(f"this handout has no solution of lab {lab.number}")
        whose = {task.id: SOLUTION for task in lab.tasks}
        return _load(Origin(lab, Submission(lab.solution_file, solution), solution, whose))
    submission = read_submission(chosen_source(lab) if code is None else code)
    if problem := syntax_error(submission):
        raise EtudeError(f"{problem}: Python cannot read this line, fix it and run again")
    source = submission.source
    todo = set(unfinished(source, [task.name for task in lab.tasks]))
    other = UNFINISHED if solution is None else BORROWED
    whose = {task.id: other if task.name in todo else YOURS for task in lab.tasks}
    lost = missing_notes(lab, submission)
    notes = [*submission.notes, *lost.values()]
    if len(lost) > 3:
        notes = [*submission.notes, f"{shown(submission.path)} has no {', '.join(lost)}"]
    if code is None:
        notes += left_behind(lab, submission.path)
    return _load(Origin(lab, submission, solution, whose), tuple(notes))


def missing_notes(lab: Lab, submission: Submission) -> dict[str, str]:
    """Say which tasks a file lost, and what they may be called now."""
    names = [task.name for task in lab.tasks]
    others = [name for name in definitions(submission.source) if name not in names][:MANY]
    notes = {}
    for name in missing(submission.source, names):
        near = get_close_matches(name, others, 1)
        renamed = f" (is it {near[0]} now?)" if near else ""
        notes[name] = (
            f"{shown(submission.path)} has no {name}{renamed}: give it its name back; or "
            f"{_stub_back(submission, lab.task(name))}"
        )
    return notes


def _stub_back(submission: Submission, task: Task) -> str:
    if submission.path.suffix == ".ipynb":
        return f"copy the stub of {task.name} from tasks.py into a cell"
    return f"make reset TASK={task.id} puts its stub back"


def not_run(what: str, missing: list[Task]) -> str:
    """Say what a run goes without, and which tasks it would need."""
    *rest, last = [f"{task.name} (task {task.id})" for task in missing]
    named = f"{', '.join(rest)} and {last} are" if rest else f"{last} is"
    return f"{what} left out: {named} not written yet"


def said(error: BaseException) -> str:
    """An error's kind and message on one line, as it may be shown."""
    message = printable(" ".join(str(error)[: 2 * MESSAGE].split()), MESSAGE)
    return f"{plain(type(error).__name__, 80)}{': ' if message else ''}{message}"


def _rebuild(origin: Origin) -> Tasks:
    return _load(origin)


def _load(origin: Origin, notes: tuple[str, ...] = ()) -> Tasks:
    """Execute the code of `origin` once, as one module."""
    lab, submission = origin.lab, origin.submission
    borrowed = [task.name for task in lab.tasks if origin.whose[task.id] == BORROWED]
    filename, solution_filename = str(submission.path), str(lab.solution_file)
    code = merge(submission.source, origin.solution or "", borrowed, filename, solution_filename)
    if submission.path.suffix == ".ipynb":
        # The file's own lines are JSON; tracebacks should show the cells'.
        lines = submission.source.splitlines(keepends=True)
        linecache.cache[filename] = (len(submission.source), None, lines, filename)
    digest = hashlib.sha256((filename + submission.source).encode()).hexdigest()[:8]
    module = ModuleType(f"{lab.slug}_tasks_{digest}")
    module.__file__ = filename
    sys.modules[module.__name__] = module
    tasks = Tasks(origin, module, notes)
    with hushed():
        _import_modules(submission.source)
    try:
        _execute(code, module)
    except _TooLongError:
        raise EtudeError(
            f"{shown(submission.path)} did not finish loading in {IMPORT_SECONDS} s: is there an "
            "endless loop, or training, outside every function?"
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = tasks.explain(error) or said(error)
        raise EtudeError(f"{shown(submission.path)} cannot be loaded: {what}") from error
    return tasks


def _import_modules(source: str) -> None:
    """Import what a file imports, so that a slow disk does not count as an endless loop."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            # The student's own line reports what cannot be imported.
            with suppress(Exception):
                importlib.import_module(name)


class _TooLongError(BaseException):
    """Not an Exception, so that `except Exception` in a student's loop lets it pass."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLongError` after `seconds`, where the platform and the thread allow it."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _execute(code: CodeType, module: ModuleType) -> None:
    with _time_limit(IMPORT_SECONDS):
        exec(code, module.__dict__)
