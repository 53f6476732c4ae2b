"""The grader's side of the pipe: start workers, ask them, bound them, end them."""

import contextlib
import json
import marshal
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn

import numpy as np

from grading.sandbox.isolation import (
    Isolation,
    environment,
    hide_answers,
    own_folder,
    probe,
    unused_uid,
)
from grading.sandbox.worker import codec, limits
from grading.sandbox.worker.lock import LAYERS, USER
from grading.sandbox.worker.scratch import delete, usage
from grading.sandbox.worker.serve import MESSAGE_SHOWN, NAME_SHOWN, NAMES, NOBODY
from toolkit.paths import ROOT

CPU_SECONDS = 10  # for one check, unless it asks for more
OUTPUT_SHOWN = 500  # characters of a worker's prints that a message may quote
START_SECONDS = 120  # for the imports, on a machine however slow
STOP_SECONDS = 10
POLL_SECONDS = 0.1  # between two looks at what a worker uses up


class NoWorkerError(RuntimeError):
    """No worker could be started: the grader's own trouble."""


class WorkerDied(Exception):
    """The worker ended, was ended, or broke the protocol; the message says why, for a student."""


class Refused(Exception):
    """The worker's answer was of a kind that cannot cross; the message names it."""


class Overused(Exception):
    """The worker used up more than it may; the message says of what."""


class Raised(Exception):
    """The submission raised an exception."""

    def __init__(self, error: dict[str, Any]):
        # as much as an honest worker sends: what reads it further on meets no more
        self.type = error["type"][:NAME_SHOWN]
        self.bases = [name[:NAME_SHOWN] for name in error["bases"][:NAMES]]
        self.message = error["message"][:MESSAGE_SHOWN]
        self.line = error["line"]
        self.functions = [name[:NAME_SHOWN] for name in error["functions"][-NAMES:]]
        super().__init__(f"{self.type}: {self.message}")


class Zygote:
    """A process that has imported what a lab needs and forks workers from there.

    It runs from a copy of the toolkit and of `grading/sandbox/worker`, outside the repository, so
    that no solution is importable in it. It starts with the first worker; how well workers are
    locked in is known before.

    Parameters
    ----------
    preload
        Modules to import.
    builders
        The lab's file of builders.
    fresh
        Never fork: start each worker by itself.
    layers
        What workers may lock themselves with, where the machine has it.
    """

    def __init__(
        self,
        preload: tuple[str, ...],
        builders: Path | None = None,
        fresh: bool = False,
        layers: tuple[str, ...] = LAYERS,
    ):
        hide_answers()
        self.preload = preload
        self.fresh = fresh
        self.folder, self.lock = own_folder()
        self.package = self.folder / "package"
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "toolkit", self.package / "toolkit", ignore=without_caches)
        grading = self.package / "grading"
        worker_code = Path("sandbox", "worker")
        shutil.copytree(
            ROOT / "grading" / worker_code, grading / worker_code, ignore=without_caches
        )
        for room in (".", "sandbox"):
            shutil.copy(ROOT / "grading" / room / "__init__.py", grading / room)
        if builders is not None:
            shutil.copy(builders, grading / "builders.py")
        self.folder.chmod(0o711)  # another user may pass through, and read the copy
        for path in (self.package, *self.package.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            self.isolation: Isolation = probe(self.package, layers)
        except BaseException:
            self.remove()
            raise
        self.process: subprocess.Popen | None = None
        self.forks = False
        self.speaking = threading.RLock()  # one request at a time

    def start(self) -> None:
        """Start the process, if it is not there or has been killed."""
        if self.process is not None and self.process.poll() is None:
            return
        self.stop()
        self.control, theirs = socket.socketpair()
        self.requests, self.unread = 0, b""
        settings = {
            "control": theirs.fileno(),
            "preload": ["grading.sandbox.worker.serve", *self.preload],
            "fresh": self.fresh,
        }
        command = [sys.executable, "-W", "ignore", "-m", "grading.sandbox.worker", "zygote"]
        self.process = subprocess.Popen(
            [*command, json.dumps(settings)],
            cwd=self.package,
            env=environment(self.package),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "start.log").open("ab"),
        )
        theirs.close()
        self.control.settimeout(START_SECONDS)
        try:
            self.forks = bool(self.reply(self.requests)["fork"])
        except BaseException:
            self.process.kill()  # at an orderly end it would take the folder with it
            self.stop()
            raise

    def request(self, fds: Sequence[int] = (), **words: Any) -> dict[str, Any]:
        """Ask the process for something, and wait for its reply to that.

        Raises
        ------
        NoWorkerError
            If it has gone, or takes longer than START_SECONDS; it may still do what it was asked.
        """
        with self.speaking:
            self.requests += 1
            number = self.requests
            self.send(fds, number=number, **words)
            return self.reply(number)

    def send(self, fds: Sequence[int] = (), **words: Any) -> None:
        """Write one JSON line to the control socket."""
        line = json.dumps(words).encode() + b"\n"
        try:
            socket.send_fds(self.control, [line], fds)
        except OSError as error:
            raise NoWorkerError(f"no worker can be asked for: {error}") from None

    def reply(self, number: int) -> dict[str, Any]:
        """The JSON line that answers a request; late answers to others are for nobody."""
        while True:
            while b"\n" not in self.unread:
                try:
                    part = self.control.recv(1 << 16)
                except TimeoutError:
                    late = f"the workers' parent did not answer within {START_SECONDS} s"
                    raise NoWorkerError(late) from None
                except OSError:
                    part = b""
                if not part:
                    raise NoWorkerError(f"the worker could not start: {self.last_words()}")
                self.unread += part
            line, self.unread = self.unread.split(b"\n", 1)
            words = json.loads(line)
            if words["number"] == number:
                return words
            if "pid" in words:  # who asked for this worker has given up
                self.requests += 1
                self.send(number=self.requests, do="end", pid=words["pid"])

    def last_words(self) -> str:
        """The last line that a process which could not start has written."""
        log = (self.folder / "start.log").read_text(errors="replace").strip()
        return log.splitlines()[-1] if log else "no message"

    def worker(self) -> "Worker":
        """A fresh worker with nothing loaded, locked."""
        with self.speaking:
            self.start()
        return Worker(self)

    def end(self, pid: int) -> str:
        """End a worker and all it left behind; returns the signal that had ended it, if one had."""
        try:
            status = int(self.request(do="end", pid=pid)["status"])
        except NoWorkerError:  # the zygote has gone first, and its workers with it
            return ""
        return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""

    def stop(self) -> None:
        """End the process; it ends its workers first."""
        if self.process is not None:
            self.control.close()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        """End the process and remove its folder."""
        self.stop()
        self.remove()

    def remove(self) -> None:
        """Delete the folder."""
        delete(self.folder)
        self.lock.close()


class Worker:
    """One process that runs one submission, and runs only while a question is open."""

    def __init__(self, zygote: Zygote):
        self.zygote = zygote
        self.dead: str | None = None
        self.pid = 0
        self.deadline = time.monotonic() + START_SECONDS
        self.cpu_allowed = 0
        self.looked = 0.0
        self.cpu_counted = 0.0
        self.told = 0
        self.claims = contextlib.ExitStack()
        layers = zygote.isolation.layers
        uid = self.claims.enter_context(unused_uid()) if USER in layers else None
        self.scratch = Path(tempfile.mkdtemp(prefix="work-", dir=zygote.folder))
        if uid is not None:
            os.chown(self.scratch, uid, uid)
        # no name, and opened twice: nothing the submission does changes what is read from here
        output, name = tempfile.mkstemp(dir=zygote.folder)
        self.printed = self.claims.enter_context(open(name, "rb"))  # noqa: SIM115
        os.unlink(name)
        try:
            with open(output, "wb") as written:
                self.begin(layers, uid, written.fileno())
        except BaseException:
            self.remove()
            raise
        self.halt()

    def begin(self, layers: tuple[str, ...], uid: int | None, output: int) -> None:
        """Ask the zygote for the process, and wait until it says that it is locked.

        Parameters
        ----------
        output
            The descriptor of the file that it prints to.

        Raises
        ------
        NoWorkerError
            If it could not lock itself or not start: no submission is loaded, and none is blamed.
        """
        self.pipe, theirs = socket.socketpair()
        settings: dict[str, Any] = {"scratch": str(self.scratch), "builders": "grading.builders"}
        settings |= {"layers": layers, "uid": uid}
        with theirs:
            fds = [theirs.fileno(), output]
            self.pid = int(self.zygote.request(fds, do="start", worker=settings)["pid"])
        try:
            number, tree, payload = codec.receive(self.read)
            locked = codec.unpack(tree, payload) if number == NOBODY else None
        except (OSError, TimeoutError, codec.ProtocolError):
            locked = self.zygote.last_words()
        if locked is not True:
            raise NoWorkerError(f"the worker could not start: {locked}")

    def halt(self) -> None:
        """Let nothing in the worker run between questions: no thread, no timer."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)

    def allow(self, cpu_seconds: int, wall_seconds: float | None = None) -> None:
        """Give what follows so much CPU time more; three times that and 10 s by the clock."""
        self.cpu_allowed = cpu_seconds
        self.told = self.num_printed()
        wall = 3 * cpu_seconds + 10 if wall_seconds is None else wall_seconds
        self.deadline = time.monotonic() + wall
        if self.dead is None and hasattr(resource, "prlimit"):
            soft = min(int(self.cpu_used()) + 1 + cpu_seconds, limits.CPU_HARD)
            with contextlib.suppress(OSError):
                resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft, limits.CPU_HARD))

    def cpu_used(self) -> float:
        """CPU seconds this worker has used so far."""
        fields = self.fields()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def cpu_since(self) -> float:
        """CPU seconds it has used since this was asked before."""
        before, self.cpu_counted = self.cpu_counted, max(self.cpu_used(), self.cpu_counted)
        return self.cpu_counted - before

    def fields(self) -> list[str]:
        """What the kernel says of this worker (man 5 proc, from the third field on)."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return []

    def load(self, code: bytes | CodeType, source: str = "") -> None:
        """Execute a compiled module in the worker; bytes are what `marshal` wrote of it.

        What `source` holds, its author's own text, may be asked for there: TensorFlow reads it.
        """
        written = marshal.dumps(code) if isinstance(code, CodeType) else code
        parts = {"code": written, "source": source.encode()}
        self.ask(do="load", **{name: np.frombuffer(part, "u1") for name, part in parts.items()})

    def ask(self, **question: Any) -> Any:
        """Ask one question and return the value.

        Raises
        ------
        Raised
            The submission raised an exception.
        Refused
            It returned something that cannot cross.
        WorkerDied
            It ended, took too long, used up too much, or broke the protocol; the worker is gone.
        """
        if self.dead is not None:
            raise WorkerDied(self.dead)
        number = os.urandom(16)
        try:
            tree, buffers = codec.pack(question)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)
            codec.send(self.write, number, tree, buffers)
            got, tree, payload = codec.receive(self.read)
            self.halt()
            self.look()
            if got != number:
                raise codec.ProtocolError("an answer to a question that was not asked")
            answer = codec.unpack(tree, payload)
            return self.judged(answer)
        except TimeoutError:
            self.die(f"did not come back within {self.cpu_allowed} s: is there an endless loop?")
        except codec.ProtocolError as error:
            self.die(f"broke the grader's protocol ({error})")
        except Overused as error:
            self.die(f"was ended: {error}")
        except OSError:
            self.die("ended the process")

    def judged(self, answer: Any) -> Any:
        """The value of an answer, or what it says went wrong; every part of it may be forged."""
        if type(answer) is dict and len(answer) == 1:
            match answer:
                case {"value": value}:
                    return value
                case {"refused": str(reason)}:
                    raise Refused(reason[:MESSAGE_SHOWN])
                case {"error": {"type": str(), "message": str(), "line": line} as error}:
                    lists = [error.get("bases"), error.get("functions")]
                    named = all(
                        type(names) is list and all(type(name) is str for name in names)
                        for names in lists
                    )
                    if named and (line is None or type(line) is int):
                        raise Raised(error)
        raise codec.ProtocolError("an answer of unknown form")

    def read(self, size: int) -> bytes:
        """So many bytes before the deadline."""
        parts = bytearray()
        while len(parts) < size:
            self.wait([self.pipe], [])
            try:
                part = self.pipe.recv(min(size - len(parts), 1 << 20), socket.MSG_DONTWAIT)
            except BlockingIOError:  # a byte out of band wakes whoever waits
                raise codec.ProtocolError("nothing to read where something came") from None
            if not part:
                raise ConnectionError
            parts += part
        return bytes(parts)

    def write(self, data: bytes) -> None:
        """Write all of it before the deadline."""
        left = memoryview(data)
        while left:
            self.wait([], [self.pipe])
            with contextlib.suppress(BlockingIOError):
                left = left[self.pipe.send(left, socket.MSG_DONTWAIT) :]

    def wait(self, readers: list, writers: list) -> None:
        """Wait until the pipe is ready, and look ten times a second at what is used up."""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if time.monotonic() - self.looked > POLL_SECONDS:
                self.look()
            if any(select.select(readers, writers, [], min(left, POLL_SECONDS))):
                return

    def look(self) -> None:
        """Raise `Overused` if the worker uses up too much of what no limit of the kernel bounds."""
        self.looked = time.monotonic()
        size, entries = usage(self.scratch, limits.ENTRIES)
        if size > limits.SCRATCH:
            raise Overused(f"it wrote more than {limits.SCRATCH >> 20} MB of files")
        if entries > limits.ENTRIES:
            raise Overused(f"it made more than {limits.ENTRIES} files, or folders too deep")
        fields = self.fields()
        if fields and int(fields[17]) > limits.THREADS:
            raise Overused(f"it started more than {limits.THREADS} threads")

    def die(self, reason: str) -> NoReturn:
        """End the worker for good and raise why."""
        signal_name = self.close()
        if reason == "ended the process":
            reason = {
                "SIGXCPU": f"used over {self.cpu_allowed} s of CPU: is there an endless loop?",
                "SIGSEGV": "crashed the process (segmentation fault)",
                "SIGBUS": "crashed the process (bus error)",
            }.get(signal_name, reason)
        self.dead = reason
        raise WorkerDied(reason)

    def output(self) -> str:
        """The last of what the submission printed since `allow`; "…" where more came before."""
        if self.printed.closed:
            return ""
        start = max(self.num_printed() - 4 * OUTPUT_SHOWN, self.told)
        last = os.pread(self.printed.fileno(), 4 * OUTPUT_SHOWN, start)
        text = last.decode(errors="replace")
        is_cut = start > self.told or len(text) > OUTPUT_SHOWN
        return "… " * is_cut + text[-OUTPUT_SHOWN:]

    def num_printed(self) -> int:
        """Bytes the submission has printed so far."""
        return 0 if self.printed.closed else os.fstat(self.printed.fileno()).st_size

    def close(self) -> str:
        """End the worker; returns the signal that had ended it, if one had."""
        if self.dead is not None:
            return ""
        self.dead = "was ended"
        self.pipe.close()
        return self.zygote.end(self.pid) if self.pid else ""

    def remove(self) -> None:
        """End the worker and delete its scratch folder."""
        self.close()
        delete(self.scratch)
        self.claims.close()
