"""The grader's side of the pipe: start workers, ask them, bound them, end them."""

import contextlib
import json
import marshal
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from grading.worker import codec
from grading.worker.limits import CPU_HARD, ENVIRONMENT
from toolkit.paths import ROOT

CPU_SECONDS = 10  # for one check, unless it asks for more
OUTPUT_SHOWN = 500  # characters of a worker's prints that a message may quote
START_SECONDS = 120  # for the imports, on a machine however slow


class WorkerDied(Exception):
    """The worker ended, was ended, or broke the protocol; the message says why, for a student."""


class Refused(Exception):
    """The worker's answer was of a kind that cannot cross; the message names it."""


class Raised(Exception):
    """The submission raised an exception."""

    def __init__(self, error: dict[str, Any]):
        self.type = str(error["type"])
        self.bases = list(error["bases"])
        self.message = str(error["message"])
        self.line = error["line"]
        self.functions = list(error["functions"])
        super().__init__(f"{self.type}: {self.message}")


class Zygote:
    """A process that has imported what a lab needs and forks workers from there.

    It runs from a copy of the toolkit and of `grading/worker`, outside the repository, so that
    no solution is importable in it.
    """

    def __init__(self, preload: tuple[str, ...], builders: Path | None = None, fresh: bool = False):
        self.folder = Path(tempfile.mkdtemp(prefix="etude-grading-"))
        shutil.copytree(ROOT / "toolkit", self.folder / "toolkit", ignore=without_caches)
        shutil.copytree(ROOT / "grading" / "worker", self.folder / "grading/worker")
        shutil.copy(ROOT / "grading" / "__init__.py", self.folder / "grading")
        if builders is not None:
            shutil.copy(builders, self.folder / "grading" / "builders.py")
        self.preload = preload
        self.fresh = fresh
        self.process, self.control = self.start(fresh)
        ready = self.reply(self.control)
        self.forks = bool(ready["fork"])

    def start(self, fresh: bool) -> tuple[subprocess.Popen, socket.socket]:
        """Start one process that imports the lab's libraries."""
        mine, theirs = socket.socketpair()
        settings = {"preload": ["grading.worker.serve", *self.preload], "fresh": fresh}
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "LANG", "LC_ALL", "KERAS_BACKEND", "LD_LIBRARY_PATH", "SYSTEMROOT")
        }
        environment |= ENVIRONMENT | dict.fromkeys(("HOME", "TMPDIR"), str(self.folder))
        environment["PYTHONPATH"] = str(self.folder)
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "grading.worker",
                str(theirs.fileno()),
                json.dumps(settings),
            ],
            cwd=self.folder,
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "start.log").open("ab"),
        )
        theirs.close()
        mine.settimeout(START_SECONDS)
        return process, mine

    def reply(self, control: socket.socket) -> dict[str, Any]:
        """One JSON line from the control socket."""
        line = b""
        while not line.endswith(b"\n"):
            part = control.recv(1 << 16)
            if not part:
                log = (self.folder / "start.log").read_text(errors="replace").strip()
                last = log.splitlines()[-1] if log else "no message"
                raise RuntimeError(f"the worker could not start: {last}")
            line += part
        return json.loads(line)

    def worker(self) -> "Worker":
        """A fresh worker with nothing loaded."""
        mine, theirs = socket.socketpair()
        scratch = Path(tempfile.mkdtemp(prefix="work-", dir=self.folder))
        output = (scratch / ".output").open("wb")
        if self.forks:
            process, control = None, self.control
        else:
            process, control = self.start(fresh=True)
            self.reply(control)
        request = {
            "do": "fork" if self.forks else "work",
            "worker": {"scratch": str(scratch), "builders": "grading.builders"},
        }
        socket.send_fds(control, [json.dumps(request).encode()], [theirs.fileno(), output.fileno()])
        pid = int(self.reply(control)["pid"])
        theirs.close()
        output.close()

        def end() -> str:
            if process is None:
                control.sendall(json.dumps({"do": "end", "pid": pid}).encode())
                status = int(self.reply(control)["status"])
            else:
                process.kill()
                status = process.wait()
                control.close()
                status = -status if status < 0 else status << 8
            return "" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}"

        return Worker(mine, pid, scratch, end)

    def close(self) -> None:
        """End the zygote and remove its folder."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Worker:
    """One process that runs one submission."""

    def __init__(self, pipe: socket.socket, pid: int, scratch: Path, end: Callable[[], str]):
        self.pipe = pipe
        self.pid = pid
        self.scratch = scratch
        self.end = end
        self.dead: str | None = None
        self.deadline = 0.0
        self.cpu_allowed = 0

    def allow(self, cpu_seconds: int) -> None:
        """Give what follows so much CPU time more; three times that and 10 s by the clock."""
        self.cpu_allowed = cpu_seconds
        self.deadline = time.monotonic() + 3 * cpu_seconds + 10
        if self.dead is None and hasattr(resource, "prlimit"):
            soft = min(int(self.cpu_used()) + 1 + cpu_seconds, CPU_HARD)
            with contextlib.suppress(OSError):
                resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft, CPU_HARD))

    def cpu_used(self) -> float:
        """CPU seconds this worker has used so far."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, code: CodeType) -> None:
        """Execute a compiled submission in the worker."""
        self.ask(do="load", code=np.frombuffer(marshal.dumps(code), np.uint8))

    def ask(self, **question: Any) -> Any:
        """Ask one question and return the value.

        Raises
        ------
        Raised
            The submission raised an exception.
        Refused
            It returned something that cannot cross.
        WorkerDied
            It ended, took too long, or broke the protocol; the worker is gone.
        """
        if self.dead is not None:
            raise WorkerDied(self.dead)
        number = os.urandom(16)
        try:
            tree, buffers = codec.pack(question)
            self.pipe.settimeout(max(self.deadline - time.monotonic(), 0.01))
            codec.send(self.pipe, number, tree, buffers)
            got, tree, payload = codec.receive(self.read)
            if got != number:
                raise codec.ProtocolError("an answer to a question that was not asked")
            answer = codec.unpack(tree, payload)
            if type(answer) is not dict or len(answer) != 1:
                raise codec.ProtocolError("an answer of unknown form")
        except TimeoutError:
            self.die(f"did not come back within {self.cpu_allowed} s: is there an endless loop?")
        except codec.ProtocolError as error:
            self.die(f"broke the grader's protocol ({error})")
        except OSError:
            self.die("ended the process")
        match answer:
            case {"value": value}:
                return value
            case {"refused": str(reason)}:
                raise Refused(reason)
            case {"error": {"type": str(), "bases": list(), "functions": list()} as error}:
                raise Raised({"message": "", "line": None} | error)
        self.die("broke the grader's protocol (an answer of unknown form)")
        raise AssertionError

    def read(self, size: int) -> bytes:
        """So many bytes before the deadline."""
        parts = bytearray()
        while len(parts) < size:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise TimeoutError
            part = self.pipe.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise ConnectionError
            parts += part
        return bytes(parts)

    def die(self, reason: str) -> None:
        """End the worker for good and raise why."""
        signal_name = self.close()
        if reason == "ended the process":
            reason = {
                "signal 24": f"used over {self.cpu_allowed} s of CPU: is there an endless loop?",
                "signal 11": "crashed the process (segmentation fault)",
            }.get(signal_name, reason)
        self.dead = reason
        raise WorkerDied(reason)

    def output(self) -> str:
        """The last of what the submission printed."""
        try:
            with (self.scratch / ".output").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(file.tell() - 4 * OUTPUT_SHOWN, 0))
                return file.read().decode(errors="replace")[-OUTPUT_SHOWN:]
        except OSError:
            return ""

    def close(self) -> str:
        """End the worker; returns the signal that had ended it, if one had."""
        if self.dead is not None:
            return ""
        self.dead = "was ended"
        self.pipe.close()
        try:
            return self.end()
        except (OSError, RuntimeError):  # the zygote has gone first, and its workers with it
            return ""

    def remove(self) -> None:
        """End the worker and delete its scratch folder."""
        self.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def without_caches(folder: str, names: list[str]) -> list[str]:
    """What a copy of the toolkit leaves out."""
    return [name for name in names if name == "__pycache__"]
