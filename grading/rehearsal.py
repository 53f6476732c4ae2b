"""Read a submission in a process of its own first: a source can crash Python's compiler.

`x = [1 for i in a for i in a …]` a hundred thousand times over ends CPython 3.11 with a
segmentation fault. What a rehearsal survives, the grader survives: it has more room. One small
process, kept beside the grader, forks for each file: to start Python anew would take longer than
to read one.
"""

import contextlib
import gc
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from toolkit.errors import EtudeError
from toolkit.paths import ROOT
from toolkit.source import definitions, read_submission, syntax_error

CPU_SECONDS = 20
STACK = 4 << 20  # bytes, half of what the grader has
FRAMES = 200  # of Python, fewer than the grader has left

_stages: dict[int, subprocess.Popen[str]] = {}  # by the process that asks: a fork must not share


def rehearse(path: Path) -> str | None:
    """Read and compile `path` as the grader will; what went wrong if that ended the process.

    A mistake that the grader can tell of itself, such as a syntax error, is none here.
    """
    stage = _stages.pop(os.getpid(), None)
    if stage is None or stage.poll() is not None:  # the first time, or somebody ended it
        stage = start()
    try:
        assert stage.stdin is not None
        assert stage.stdout is not None
        print(json.dumps(str(path.resolve())), file=stage.stdin, flush=True)
        ended = int(stage.stdout.readline())
    except BaseException:  # interrupted: what it would have said next is nobody's answer
        stage.kill()
        stage.wait()  # for it alone: a fork that still reads may take its seconds to the end
        raise
    _stages[os.getpid()] = stage
    if ended == -signal.SIGXCPU:
        return f"Python takes more than {CPU_SECONDS} s to read it"
    return "Python's compiler breaks down over it" if ended else None


def start() -> subprocess.Popen[str]:
    """Start the process that forks; it ends when its input does."""
    # no fork of the grader: it hangs where another of its threads holds a lock
    command = [sys.executable, "-m", "grading.rehearsal"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )


def bound() -> None:
    """Give this process less time and room than the grader has."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, hard))
    sys.setrecursionlimit(len(inspect.stack(0)) + FRAMES)


def compile_all(path: Path) -> None:
    """Do to a file all that the grader does to its text."""
    submission = read_submission(path)
    if syntax_error(submission) is None:
        definitions(submission.source)


def main() -> None:
    """For each path on standard input, a JSON string a line: how a fork that reads it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader decides what ends
    gc.disable()  # a fork ends soon, and its trees are large
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            with contextlib.suppress(BaseException):
                bound()
                with contextlib.suppress(EtudeError):
                    compile_all(Path(json.loads(line)))
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
