"""Work on many items in all cores, losing none but the broken ones."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar, cast

from toolkit.console import progress, warn
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import plain

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

SHOWN_FAILURES = 10


def available_cores() -> int:
    """Count the cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_items(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    description: str,
    processes: int | None = None,
    initializer: Callable[..., Any] | None = None,
    initargs: tuple = (),
) -> tuple[list[Result | None], dict[Item, str]]:
    """Call `function` on every item, in child processes, behind a progress bar.

    A broken item is skipped: one whose call raises, or kills its process (a segmentation fault
    in a C library). It costs no other item anything, and is named on the console with its reason.
    Ctrl-C stops at once and leaves no child behind.

    Parameters
    ----------
    function
        A function that child processes can import (defined at a module's top level).
    items
        What to call it with: hashable and picklable, such as paths.
    description
        What the progress bar says.
    processes
        How many child processes; by default one for each available core.
    initializer, initargs
        Called once in each child process before its first item.

    Returns
    -------
    results
        One for each item, in the items' order; None where it failed.
    failures
        From each item that failed to the reason, one line, in the items' order.

    Raises
    ------
    RuntimeError
        If a child process cannot start, or its initializer fails.
    """
    items = list(items)
    results: list[Result | None] = [None] * len(items)
    reasons: dict[int, str] = {}
    answers = each_result(function, items, processes, initializer, initargs)
    with progress(description, len(items)) as count, closing(answers):
        for index, result, reason in answers:
            results[index] = result
            if reason is not None:
                reasons[index] = reason
            count()
    failures = {items[index]: reasons[index] for index in sorted(reasons)}
    _name(failures)
    return results, failures


def each_result(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int | None = None,
    initializer: Callable[..., Any] | None = None,
    initargs: tuple = (),
) -> Generator[tuple[int, Result | None, str | None], None, None]:
    """Yield (an item's index, its result, why there is none) as `map_items`' children finish.

    Close it to end the children before they are done.
    """
    waiting = deque(enumerate(items))
    setup = (function, initializer, initargs)
    workers: list[_Worker] = []
    try:
        for _ in range(min(processes or available_cores(), len(items))):
            workers.append(_Worker(setup))
        while workers:
            for worker in cast(list[_Worker], wait(cast(Any, workers))):
                alive, result, reason = worker.answer()
                index = worker.index
                if index is None and reason is not None:
                    raise RuntimeError(f"a child process cannot start ({reason})")
                if alive and waiting:
                    worker.give(*waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.stop()
                    if waiting:
                        workers.append(_Worker(setup))
                if index is not None:
                    yield index, result, reason
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A child process that holds one item at a time, so that its death costs that one alone."""

    def __init__(self, setup: tuple) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, childs_end = context.Pipe()
        self.index: int | None = None
        self.process = context.Process(target=_serve, args=(childs_end, *setup), daemon=True)
        # A child inherits the mask: Ctrl-C, which a terminal sends to all, reaches the parent only.
        # The tracker has to run first: starting it would unblock the signal.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        childs_end.close()

    def fileno(self) -> int:
        return self.connection.fileno()

    def give(self, index: int, item: object) -> None:
        self.index = index
        with suppress(BrokenPipeError):  # it has died: `answer` will say so
            self.connection.send(item)

    def answer(self) -> tuple[bool, Any, str | None]:
        """Receive (whether it lives, a result, why there is none)."""
        try:
            return True, *self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return False, None, f"its process died: {_last_words(self.process.exitcode)}"
        except Exception as error:
            return True, None, f"its result does not come back: {_one_line(error)}"

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(
    connection: Connection,
    function: Callable[[Any], Any],
    initializer: Callable[..., Any] | None,
    initargs: tuple,
) -> None:
    """Answer (result, None) or (None, reason): once for the start, then for each item received."""
    Thread(target=_end_with_parent, daemon=True).start()
    connection.send(_attempt(initializer, initargs) if initializer else (None, None))
    while True:
        answer = _attempt(function, (connection.recv(),))
        try:
            connection.send(answer)
        except Exception as error:  # nothing was sent: pickling comes first
            connection.send((None, f"its result cannot be sent back: {_one_line(error)}"))


def _end_with_parent() -> None:
    """End this process when its parent is gone, killed perhaps, even in the middle of an item."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _attempt(function: Callable[..., Any], arguments: tuple) -> tuple[Any, str | None]:
    try:
        return function(*arguments), None
    except BaseException as error:  # a library that calls sys.exit breaks its item, no more
        return None, _one_line(error)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    if isinstance(error, EtudeError):
        return " ".join(lines)
    return f"{type(error).__name__}: {plain(lines[0])}" if lines else type(error).__name__


def _last_words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.strsignal(-exitcode) or f"signal {-exitcode}"
    return f"exit status {exitcode}"


def _name(failures: Mapping[Any, str]) -> None:
    for item, reason in islice(failures.items(), SHOWN_FAILURES):
        warn(f"skipped {shown(item) if isinstance(item, Path) else item}: {reason}")
    if len(failures) > SHOWN_FAILURES:
        warn(f"skipped {len(failures) - SHOWN_FAILURES} more")
