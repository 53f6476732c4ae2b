"""The place an attack is staged in: what it may reach for, and what it has done from outside."""

import contextlib
import ctypes
import os
import random
import re
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from grading.sandbox.worker.scratch import delete
from grading.sandbox.workers import Zygote
from labs.course.catalogue import Lab
from toolkit.paths import ROOT

RESULTS = '{"earned": 0}'
PLANTED = ("/dev/shm/etude-attack", "results.json", "/autograder/results")
REMOVE_SEGMENT = 0  # IPC_RMID


class Stage:
    """Files with answers, sockets that listen, folders anybody could write to.

    Attributes
    ----------
    folder
        Where submissions are handed in.
    secret
        A word of the answers file, and the course's secret.
    input, borrowed
        Words in the inputs of a hidden check, and in the solution where it is borrowed.
    """

    def __init__(self, lab: Lab):
        self.folder = Path(tempfile.mkdtemp(prefix="etude-stage-"))
        self.folder.chmod(0o755)
        self.secret = secrets.token_hex(8)
        self.input = f"hidden{secrets.token_hex(4)}"
        self.borrowed = secrets.token_hex(8)
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)
        self.solution = lab.solution_file
        solution = lab.solution_file.read_text(encoding="utf-8")
        self.answers = self.folder / "answers.py"
        self.sibling = self.folder / "sibling.py"
        for path in (self.answers, self.sibling):
            path.write_text(f"{solution}\n# {self.secret}\n", encoding="utf-8")
            path.chmod(0o600)
        self.results = self.folder / "results.json"
        self.results.write_text(RESULTS)
        self.key = random.getrandbits(30) | 1
        self.sockets = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "unix": socket.socket(socket.AF_UNIX),
            "datagram": socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        }
        self.sockets["udp"].bind(("127.0.0.1", 0))
        for name in ("unix", "datagram"):
            self.sockets[name].bind(str(self.folder / name))
            (self.folder / name).chmod(0o777)
        self.sockets["unix"].listen()
        for one in self.sockets.values():
            one.setblocking(False)
        self.answers_state = self.state_of_answers()
        os.environ["ETUDE_SECRET"] = self.secret

    def known(self) -> dict[str, str | int]:
        """What the attacker has found out beforehand: `STAGE` in every attack."""
        return {
            "course": str(ROOT),
            "solution": str(self.solution),
            "answers": str(self.answers),
            "sibling": str(self.sibling),
            "outside": str(self.outside),
            "results": str(self.results),
            "grader": os.getpid(),
            "key": self.key,
            "tcp": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "unix": str(self.folder / "unix"),
            "datagram": str(self.folder / "datagram"),
        }

    def words(self) -> dict[str, str]:
        """What no report may hold, by what it would tell."""
        return {
            "what is in the answers file, or the secret": self.secret,
            "what a hidden check asks": self.input,
            "what was borrowed from the solution": self.borrowed,
        }

    def marked(self, solution: str) -> str:
        """The solution with a word in each docstring."""
        return re.sub(r'^(\s+""")(?=\w)', rf"\g<1>{self.borrowed} ", solution, flags=re.MULTILINE)

    def state_of_answers(self) -> tuple[int, int, int, bytes]:
        """Mode, owner, time and content of the answers file."""
        status = self.answers.stat()
        return status.st_mode, status.st_uid, status.st_mtime_ns, self.answers.read_bytes()

    def harm(self, zygote: Zygote) -> list[str]:
        """What an attack left behind or touched; afterwards the stage is as it was."""
        found = [f"{name} was contacted" for name in self.sockets if self.contacted(name)]
        if self.state_of_answers() != self.answers_state:
            found.append("the answers file was changed")
            self.answers.write_bytes(self.answers_state[-1])
            self.answers.chmod(0o600)
            self.answers_state = self.state_of_answers()
        if self.results.read_text() != RESULTS:
            found.append("the results were overwritten")
            self.results.write_text(RESULTS)
        sites = [Path(folder) / "etude-attack.pth" for folder in sys.path]
        for path in (*map(Path, PLANTED), *sites, *self.outside.iterdir()):
            if path.is_file():
                found.append(f"{path.name} was written")
                path.unlink()
        for path in zygote.folder.iterdir():
            if path.name not in ("lock", "package", "start.log"):
                found.append(f"{path.name} is left of a worker")
                delete(path)
        found += [f"process {pid} is left of a worker" for pid in processes_of(zygote)]
        return found + (["shared memory is left"] if remove_segment(self.key) else [])

    def contacted(self, name: str) -> bool:
        """Whether somebody connected or sent something to one of the sockets."""
        found = False
        with contextlib.suppress(BlockingIOError):
            while True:
                if name in ("tcp", "unix"):
                    self.sockets[name].accept()[0].close()
                else:
                    self.sockets[name].recv(100)
                found = True
        return found

    def close(self) -> None:
        """Take the stage down."""
        os.environ.pop("ETUDE_SECRET", None)
        for one in self.sockets.values():
            one.close()
        shutil.rmtree(self.folder)


def processes_of(zygote: Zygote) -> list[int]:
    """Processes that came from a zygote and are still there, whoever their parent is now."""
    assert zygote.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != zygote.process.pid:
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                place = ""
                with contextlib.suppress(PermissionError):
                    place = os.readlink(entry / "cwd")
                if parent == zygote.process.pid or place.startswith(str(zygote.folder)):
                    found.append(int(entry.name))
    return found


def remove_segment(key: int) -> bool:
    """Remove the System V memory segment of a key; whether there was one."""
    try:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return False
    for fields in map(str.split, rows):
        if int(fields[0]) == key:
            ctypes.CDLL(None).shmctl(int(fields[1]), REMOVE_SEGMENT, None)
            return True
    return False
