"""Read a submission in a process of its own first: a source can crash Python's compiler.

`x = [1 for i in a for i in a …]` a hundred thousand times over ends CPython 3.11 with a
segmentation fault. What a rehearsal survives, the grader survives: it has more room.
"""

import contextlib
import inspect
import resource
import signal
import subprocess
import sys
from pathlib import Path

from toolkit.errors import EtudeError
from toolkit.paths import ROOT
from toolkit.source import definitions, merge, read_submission, syntax_error

CPU_SECONDS = 20
STACK = 4 << 20  # bytes, half of what the grader has
FRAMES = 200  # of Python, fewer than the grader has left


def rehearse(path: Path) -> str | None:
    """Read and compile `path` as the grader will; what went wrong if that ended the process.

    A mistake that the grader can tell of itself, such as a syntax error, is none here.
    """
    # no fork: it hangs where another thread of the grader's process holds a lock
    command = [sys.executable, "-m", "grading.rehearsal", str(path.resolve())]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True).returncode
    if ended == -signal.SIGXCPU:
        return f"Python takes more than {CPU_SECONDS} s to read it"
    return "Python's compiler breaks down over it" if ended else None


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
        merge(submission.source, "", [])


if __name__ == "__main__":
    bound()
    with contextlib.suppress(EtudeError):
        compile_all(Path(sys.argv[1]))
