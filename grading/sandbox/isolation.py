"""How well this machine can lock a worker in: found out by trying, written in every report."""

import contextlib
import json
import os
import random
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from grading.sandbox.worker import privileges
from grading.sandbox.worker.limits import ENVIRONMENT
from grading.sandbox.worker.lock import CALLS, FILES, LAYERS, USER
from grading.sandbox.worker.scratch import delete
from toolkit.paths import ROOT, hold

Level = Literal["sealed", "partial", "open"]
CANARY = ROOT / "grading" / "conftest.py"  # what no worker may read: any file of the course
SECONDS = 60
# Numbers that neither people nor services are given (Debian policy 9.2.2 keeps them free)
UIDS = range(60_000, 64_000)
FOLDERS = "etude-grading-"


@dataclass(frozen=True)
class Isolation:
    """What keeps a worker in.

    Attributes
    ----------
    level
        "sealed": it opens no file of others and makes no call that reaches beyond itself;
        "partial": one of the two; "open": it is a process of its own and no more.
    layers
        What it locks itself with.
    text
        Both in words, for reports.
    """

    level: Level
    layers: tuple[str, ...]
    text: str


def probe(package: Path, layers: tuple[str, ...] = LAYERS) -> Isolation:
    """Try which of `layers` hold on this machine.

    Parameters
    ----------
    package
        The copy of the worker's code, from which nothing of the course can be imported.
    """
    if sys.platform != "linux":
        return Isolation("open", (), f"open (no lock is known for {sys.platform})")
    wanted = [layer for layer in layers if layer != USER or os.geteuid() == 0]
    with unused_uid() if USER in wanted else contextlib.nullcontext() as uid:
        settings = {"layers": wanted, "uid": uid, "canary": str(CANARY)}
        command = [sys.executable, "-W", "ignore", "-m", "grading.sandbox.worker.probe"]
        done = subprocess.run(
            [*command, json.dumps(settings)],
            cwd=package,
            env=environment(package),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"no worker can be started here: {last}")
    return judged(json.loads(done.stdout))


def judged(found: dict) -> Isolation:
    """Name the level of what a probe found."""
    words = {USER: "another user", FILES: f"Landlock {found['landlock']}", CALLS: "seccomp"}
    files = not (found["reads"] or found["writes"])
    calls = not (found["connects"] or found["starts"] or found["signals"])
    level: Level = "sealed" if files and calls else "partial" if files or calls else "open"
    layers = tuple(found["layers"])
    used = ", ".join(words[layer] for layer in layers) or "a process of its own, no lock"
    deeds = {"reads": "read files", "writes": "write files", "connects": "open sockets"}
    deeds |= {"starts": "start processes", "signals": "signal others"}
    could = ", ".join(deed for name, deed in deeds.items() if found[name])
    return Isolation(level, layers, f"{level} ({used}{f'; it could {could}' if could else ''})")


def environment(package: Path) -> dict[str, str]:
    """What a worker sees of the environment: nothing that the grader keeps there."""
    kept = ("PATH", "LANG", "LC_ALL", "KERAS_BACKEND", "LD_LIBRARY_PATH")
    return (
        {name: value for name, value in os.environ.items() if name in kept}
        | ENVIRONMENT
        | dict.fromkeys(("HOME", "TMPDIR", "PYTHONPATH"), str(package))
    )


def own_folder() -> tuple[Path, IO[str]]:
    """Make a folder for workers, and the lock that shows that its grader lives.

    Folders of graders that were killed, and whose zygote could not delete them either, go now.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()  # everybody may put folders, and links, beside ours
            own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if own and (folder / "lock").exists() and (left := hold(folder / "lock")):
                with left:
                    delete(folder)
    folder = Path(tempfile.mkdtemp(prefix=FOLDERS))
    lock = hold(folder / "lock.new")
    assert lock is not None
    (folder / "lock.new").rename(folder / "lock")  # others see it from here on, and held
    return folder, lock


@contextmanager
def unused_uid() -> Iterator[int]:
    """A user id that no other worker on this machine has while this lasts."""
    for uid in random.sample(UIDS, len(UIDS)):
        # a name in the abstract namespace belongs to one process at a time and leaves no file
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0etude-worker-{uid}")
            except OSError:
                continue
            yield uid
            return
    raise RuntimeError(f"no user id between {UIDS[0]} and {UIDS[-1]} is free for a worker")


def hide_answers() -> None:
    """Let no other process of this user read the grader's memory."""
    if sys.platform == "linux":
        privileges.hide()
