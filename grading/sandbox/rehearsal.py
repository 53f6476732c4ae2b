"""Read and compile a submission in a process of its own: a source can crash Python's compiler.

`x = [1 for i in a for i in a …]` a hundred thousand times over ends CPython 3.11 with a
segmentation fault, and twenty nested `try/finally` take 4 GB. The grader compiles nothing that was
handed in, and reads only what a rehearsal has read with less time and room. One small process, kept
beside the grader, forks for each file: to start Python anew would take longer than to read one.
"""

import contextlib
import gc
import inspect
import json
import marshal
import os
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.course.definitions import definitions
from labs.course.merge import merge
from labs.course.submission import Flaw, flaw, read_submission
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

CPU_SECONDS = 20
WALL_SECONDS = 3 * CPU_SECONDS + 10
MEMORY = 1 << 30  # bytes; a dense file of 1 MB takes half of it
STACK = 4 << 20  # bytes, half of what the grader has
FRAMES = 500  # of Python, fewer than the grader has left
MAX_CODE = 32 << 20  # bytes; a dense file of 1 MB compiles to a third of it

_stages: dict[int, subprocess.Popen[bytes]] = {}  # by the process that asks: a fork must not share


@dataclass(frozen=True)
class Rehearsal:
    """What came of reading and compiling a file.

    Attributes
    ----------
    trouble
        What went wrong if that ended the process; "" if it did not.
    flaw
        Where and why the file is not Python; None if it is, or if it cannot even be read, which
        the grader finds out itself.
    code
        The module, as `marshal` writes it, to be executed in a worker only.
    """

    trouble: str = ""
    flaw: Flaw | None = None
    code: bytes = b""


def rehearse(path: Path, solution: str = "", borrowed: tuple[str, ...] = ()) -> Rehearsal:
    """Read and compile what stands at `path`, with what is borrowed from a solution's text."""
    stage = _stages.pop(os.getpid(), None)
    if stage is None or stage.poll() is not None:  # the first time, or somebody ended it
        stage = start()
    try:
        assert stage.stdin is not None
        assert stage.stdout is not None
        question = {"path": str(path.resolve()), "solution": solution, "borrowed": borrowed}
        stage.stdin.write(json.dumps(question).encode() + b"\n")
        stage.stdin.flush()
        ended, size = json.loads(stage.stdout.readline())
        answer = stage.stdout.read(size)
    except BaseException:  # interrupted: what it would have said next is nobody's answer
        stage.kill()
        stage.wait()  # for it alone: a fork that still reads may take its seconds to the end
        raise
    _stages[os.getpid()] = stage
    if ended in (-signal.SIGXCPU, -signal.SIGALRM):
        return Rehearsal(f"Python takes more than {CPU_SECONDS} s to read it")
    if ended:
        return Rehearsal("Python's compiler breaks down over it")
    head, code = answer.split(b"\n", 1)
    facts = json.loads(head)
    return Rehearsal(facts["trouble"], facts["flaw"] and Flaw(*facts["flaw"]), code)


def start() -> subprocess.Popen[bytes]:
    """Start the process that forks; it ends when its input does."""
    # no fork of the grader: it hangs where another of its threads holds a lock
    command = [sys.executable, "-W", "ignore", "-m", "grading.sandbox.rehearsal"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)


def bound() -> None:
    """Give this process less time and room than the grader has."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, size in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_STACK, STACK)):
        with contextlib.suppress(ValueError, OSError):  # not every system lets a process
            resource.setrlimit(limit, (size, resource.getrlimit(limit)[1]))
    sys.setrecursionlimit(len(inspect.stack(0)) + FRAMES)


def compiled(path: str, solution: str, borrowed: list[str]) -> tuple[dict[str, Any], bytes]:
    """Do to a file all that the grader does to its text, and compile it."""
    facts: dict[str, Any] = {"trouble": "", "flaw": None}
    try:
        source = read_submission(Path(path)).source
        if found := flaw(source):
            return facts | {"flaw": [found.line, found.reason]}, b""
        definitions(source)
        code = marshal.dumps(merge(source, solution, borrowed, "tasks.py", "solution.py"))
    except EtudeError:
        return facts, b""
    except MemoryError:
        return facts | {"trouble": f"Python needs more than {MEMORY >> 20} MB to read it"}, b""
    except (ValueError, RecursionError):
        return facts | {"trouble": "it is nested too deeply"}, b""
    if len(code) > MAX_CODE:
        return facts | {"trouble": f"it compiles to more than {MAX_CODE >> 20} MB"}, b""
    return facts, code


def read_in_a_fork(question: dict[str, Any]) -> tuple[int, bytes]:
    """How a fork that reads one file ended, and what it wrote until then."""
    theirs, mine = os.pipe()
    if (pid := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            os.close(theirs)
            bound()
            facts, code = compiled(**question)
            with open(mine, "wb") as answer:
                answer.write(json.dumps(facts).encode() + b"\n" + code)
            os._exit(0)
        os._exit(1)
    os.close(mine)
    parts, deadline = [], time.monotonic() + WALL_SECONDS
    while select.select([theirs], [], [], max(0, deadline - time.monotonic()))[0]:
        parts.append(os.read(theirs, 1 << 20))
        if not parts[-1]:
            break
    else:
        os.kill(pid, signal.SIGALRM)
    os.close(theirs)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), b"".join(parts)


def main() -> None:
    """For each question on standard input, a JSON object a line: the answer and its length."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader decides what ends
    gc.disable()  # a fork ends soon, and its trees are large
    for line in sys.stdin.buffer:
        ended, answer = read_in_a_fork(json.loads(line))
        sys.stdout.buffer.write(json.dumps([ended, len(answer)]).encode() + b"\n" + answer)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
