"""Find out by trying what the lock holds here: `python -m grading.sandbox.worker.probe SETTINGS`.

Nothing is inferred from a platform's name. A forked child locks itself, then tries to read a file
of the course, to write outside its folder, to open a socket, to start a process and to signal one.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from grading.sandbox.worker import landlock
from grading.sandbox.worker.lock import FILES, USER, lock

SECONDS = 20  # a child that takes longer has found nothing
PUBLIC_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def main() -> None:
    """Print as JSON the most layers with which Python still works, and what they withhold."""
    settings = json.loads(sys.argv[1])
    for layers in subsets(settings["layers"]):
        if found := tried(layers, settings["uid"], settings["canary"]):
            words = {"layers": layers, "landlock": landlock.version() if FILES in layers else None}
            print(json.dumps(words | found))
            return
    raise SystemExit("not even an unlocked child works here")


def subsets(layers: list[str]) -> Iterator[list[str]]:
    """All layers first; of two sets of one size the one without "user" first.

    Another user cannot read an interpreter that is in somebody's home.
    """
    for size in range(len(layers), -1, -1):
        yield from sorted(map(list, combinations(layers, size)), key=lambda some: USER in some)


def tried(layers: list[str], uid: int | None, canary: str) -> dict[str, bool] | None:
    """What a child with these layers could do; None if it could not lock itself or not work."""
    here = os.getcwd()  # readable, as libraries are
    with (
        tempfile.TemporaryDirectory(prefix="probe-", dir=here) as scratch,
        tempfile.NamedTemporaryFile(prefix="probe-", dir=here) as hostage,
    ):
        if USER in layers and uid is not None:
            os.chown(scratch, uid, uid)
        answers, mine = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                signal.alarm(SECONDS)
                os.chdir(scratch)
                lock(layers, uid, scratch)
                if works():
                    os.write(mine, json.dumps(allowed(canary, hostage.name)).encode())
            finally:
                os._exit(0)
        os.close(mine)
        with open(answers) as file:
            text = file.read()
        os.waitpid(pid, 0)
        return json.loads(text) if text else None


def works() -> bool:
    """Whether libraries can be imported, the scratch folder written, threads started."""
    import xml.dom.minidom  # nothing has imported it yet

    import numpy

    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"text")
    thread = threading.Thread(target=xml.dom.minidom.parseString, args=("<a/>",))
    thread.start()
    thread.join()
    return bool(numpy.ones(2).sum() == 2)


def allowed(canary: str, hostage: str) -> dict[str, bool]:
    """Which of the forbidden things succeed; `hostage` may be lost by it."""
    return {
        "reads": succeeds(lambda: open(canary, "rb").read(1)),
        "writes": any(succeeds(writes_in(folder)) for folder in PUBLIC_FOLDERS)
        or any(succeeds(attempt) for attempt in truncations(hostage)),
        "connects": succeeds(lambda: socket.socket(socket.AF_UNIX)),
        "starts": succeeds(starts_a_process),
        "signals": succeeds(lambda: os.kill(os.getppid(), 0)),
    }


def succeeds(attempt: Callable[[], Any]) -> bool:
    """Whether an attempt comes back without an error."""
    try:
        attempt()
    except OSError:
        return False
    return True


def writes_in(folder: str) -> Callable[[], None]:
    """Make a file there and remove it."""

    def attempt() -> None:
        tempfile.NamedTemporaryFile(prefix="etude-probe-", dir=folder).close()

    return attempt


def truncations(path: str) -> list[Callable[[], Any]]:
    """Ways to empty a file without opening it for writing."""
    return [
        lambda: os.truncate(path, 0),
        lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC)),
    ]


def starts_a_process() -> None:
    """Fork once."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
