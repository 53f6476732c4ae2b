"""Import what the lab needs once, then fork a worker whenever the grader asks for one (a zygote).

TensorFlow survives a fork only while no op has run and the process has one thread; where that
does not hold, or there is no fork, each worker is started afresh from here. Either way this
process is the parent of every worker, and of what a worker leaves behind.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from grading.sandbox.worker import limits, pages, privileges
from grading.sandbox.worker.lock import one_thread
from grading.sandbox.worker.scratch import delete
from grading.sandbox.worker.serve import preload, serve

CLEANING_ROUNDS = 1000  # a bomb of processes forks while it is being ended
MANY = 50  # forks; so many are more work than to make each of them easier


def become_worker(pipe: socket.socket, output: int, worker: dict[str, Any]) -> None:
    """Serve in this process, its prints going to `output`; never returns."""
    try:
        if os.getpgrp() != os.getpid():
            os.setsid()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, place in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(fd, place)
        os.close(nothing)
        os.close(output)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        serve(pipe, **worker)
    finally:
        os._exit(70)


class Zygote:
    """The parent of all workers."""

    def __init__(self, control: socket.socket, names: list[str], fresh: bool):
        self.control = control
        self.names = names
        self.fresh = fresh or not hasattr(os, "fork")
        self.workers: dict[int, subprocess.Popen | None] = {}
        self.forked = 0
        self.unread, self.fds = b"", list[int]()

    def forks(self) -> bool:
        """Whether a fork is safe here, now."""
        return not self.fresh and one_thread()

    def start(self, fds: list[int], worker: dict[str, Any]) -> int:
        """Start a worker that talks on the first descriptor and prints to the second."""
        # a Popen that is forgotten could be waited for elsewhere, and its status lost
        if not self.forks():
            settings = json.dumps({"fds": fds, "worker": {**worker, "modules": self.names}})
            command = [sys.executable, "-W", "ignore", "-m", "grading.sandbox.worker"]
            command += ["worker", settings]
            child = subprocess.Popen(command, pass_fds=fds, start_new_session=True)
            self.workers[child.pid] = child
            return child.pid
        self.forked += 1
        if self.forked == MANY:
            pages.collapse()
        if (pid := os.fork()) == 0:
            self.control.close()
            for fd in self.fds:  # of other workers, asked for in the same breath
                os.close(fd)
            become_worker(socket.socket(fileno=fds[0]), fds[1], worker)
        self.workers[pid] = None
        return pid

    def end(self, pid: int) -> int:
        """End a worker, its group and what it left behind; returns its status."""
        if pid not in self.workers:  # of a zygote before this one, and gone with it
            return 0
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        del self.workers[pid]
        for _ in range(CLEANING_ROUNDS):
            orphans = self.orphans()
            if not orphans:
                break
            for orphan in orphans:
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
                    os.waitpid(orphan, 0)
        return status

    def orphans(self) -> set[int]:
        """Children that this process never started: it inherited them from dead workers."""
        try:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        except OSError:  # no such list outside Linux, and no such inheritance
            return set()
        return set(map(int, children.split())) - set(self.workers)

    def obey(self) -> None:
        """Speak JSON lines with the grader on the control socket until it is gone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.answer({"number": 0, "fork": self.forks()})
            while request := self.next_request():
                self.answer({"number": request["number"], **self.done(request)})
        for pid in list(self.workers):  # the grader was killed perhaps: leave nothing behind
            self.end(pid)
        delete(Path.cwd().parent)

    def next_request(self) -> dict[str, Any] | None:
        """The next line, however many come at once; None if there is none any more."""
        while b"\n" not in self.unread:
            message, fds, _, _ = socket.recv_fds(self.control, 1 << 16, 2)
            if not message:
                return None
            self.unread += message
            self.fds += fds
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def done(self, request: dict[str, Any]) -> dict[str, int]:
        """Do what one line asks; what there is to say of it."""
        if request["do"] == "end":
            return {"status": self.end(request["pid"])}
        fds, self.fds = self.fds[:2], self.fds[2:]
        try:
            return {"pid": self.start(fds, request["worker"])}
        finally:
            for fd in fds:
                os.close(fd)

    def answer(self, words: dict[str, Any]) -> None:
        """Write one JSON line."""
        self.control.sendall(json.dumps(words).encode() + b"\n")


def main() -> None:
    """Be the zygote, or one worker that was not forked: `worker zygote SETTINGS`."""
    role, settings = sys.argv[1], json.loads(sys.argv[2])
    limits.die_first()
    if sys.platform == "linux":
        privileges.hide()
        privileges.adopt_orphans()
    if role == "worker":
        pipe, output = settings["fds"]
        become_worker(socket.socket(fileno=pipe), output, settings["worker"])
    # Ctrl-C reaches the whole terminal group: the grader decides what ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not settings["fresh"]:
        preload(settings["preload"])
    control = socket.socket(fileno=settings["control"])
    Zygote(control, settings["preload"], settings["fresh"]).obey()


if __name__ == "__main__":
    main()
