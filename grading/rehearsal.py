"""Read a submission in a process of its own first: a source can crash Python's compiler.

`x = [1 for i in a for i in a …]` a hundred thousand times over ends CPython 3.11 with a
segmentation fault. What a rehearsal survives, the grader survives: it has more room.
"""

import contextlib
import resource
import subprocess
import sys
from pathlib import Path

from toolkit.paths import ROOT

SECONDS = 20
MEMORY = 2 << 30  # bytes
STACK = 4 << 20  # bytes, half of what the grader has
FRAMES = 500  # of Python, half of what the grader has


def rehearse(path: Path) -> str | None:
    """Read and compile `path` as the grader will; what went wrong if that ended the process.

    A mistake that the grader can tell of itself, such as a syntax error, is none here.
    """
    command = [sys.executable, "-W", "ignore", "-m", "grading.rehearsal", str(path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"Python takes more than {SECONDS} s to read it"
    return "Python's compiler breaks down over it" if done.returncode else None


def main() -> None:
    """Do to a file all that the grader does to its text."""
    from toolkit.errors import EtudeError
    from toolkit.source import definitions, merge, read_submission, syntax_error

    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS)):
        resource.setrlimit(limit, (most, most))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.RLIM_INFINITY))
    with contextlib.suppress(EtudeError):
        submission = read_submission(sys.argv[1])
        sys.setrecursionlimit(FRAMES)
        if syntax_error(submission) is None:
            definitions(submission.source)
            merge(submission.source, "", [])


if __name__ == "__main__":
    main()
