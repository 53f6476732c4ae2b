"""What may be handed in instead of a file with Python: each function makes one such submission."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

NOTHING, FULL = "nothing", "full marks"

# how it is called: what makes it, what is expected of it
HANDED: dict[str, tuple[Callable[[Path, str], Path], str]] = {}


def handed(expected: str) -> Callable:
    """Add a function that makes a submission in a folder from the solution's text."""

    def add(make: Callable[[Path, str], Path]) -> Callable[[Path, str], Path]:
        HANDED[f"handed_{make.__name__}"] = (make, expected)
        return make

    return add


def written(folder: Path, content: str | bytes, name: str = "tasks.py") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def notebook(folder: Path, source: str, **cell: object) -> Path:
    """A notebook of one code cell."""
    cells = [{"cell_type": "code", "source": source, **cell}]
    return written(folder, json.dumps({"nbformat": 4, "cells": cells}), "lab3.ipynb")


@handed(NOTHING)
def syntax_error(folder: Path, solution: str) -> Path:
    """A file that is not Python."""
    return written(folder, solution + "\ndef f(:\n")


@handed("nothing on 3.3")
def missing_function(folder: Path, solution: str) -> Path:
    """A file without one of the functions."""
    return written(folder, solution.replace("def build_vocabulary", "def my_vocabulary"))


@handed(NOTHING)
def compiler_crash(folder: Path, solution: str) -> Path:
    """A file over which Python's compiler breaks down."""
    return written(folder, solution + "\nx = [" + "1 " + "for i in a " * 50_000 + "]\n")


@handed(NOTHING)
def link(folder: Path, solution: str) -> Path:
    """A link to the solution."""
    os.symlink(written(folder, solution, "theirs.py"), folder / "tasks.py")
    return folder / "tasks.py"


@handed(NOTHING)
def pipe(folder: Path, solution: str) -> Path:
    """A named pipe, at which who opens it waits for ever."""
    os.mkfifo(folder / "tasks.py")
    return folder / "tasks.py"


@handed(NOTHING)
def directory(folder: Path, solution: str) -> Path:
    """A folder called tasks.py."""
    (folder / "tasks.py").mkdir()
    return folder / "tasks.py"


@handed(NOTHING)
def large(folder: Path, solution: str) -> Path:
    """A file of 100 MB, most of it a hole."""
    path = written(folder, solution)
    os.truncate(path, 100_000_000)
    return path


@handed(NOTHING)
def archive(folder: Path, solution: str) -> Path:
    """A zip called tasks.py, with a member that leaves its folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as members:
        members.writestr("../outside/escaped", solution)
    return written(folder, content.getvalue())


@handed(NOTHING)
def other_encoding(folder: Path, solution: str) -> Path:
    """A file in UTF-16."""
    return written(folder, solution.encode("utf-16"))


@handed(FULL)
def byte_order_mark(folder: Path, solution: str) -> Path:
    """A file as Windows editors write it."""
    return written(folder, b"\xef\xbb\xbf" + solution.replace("\n", "\r\n").encode())


@handed(FULL)
def bidirectional_marks(folder: Path, solution: str) -> Path:
    """A comment with marks that reverse what is shown: reported, and not executed."""
    return written(folder, solution + "\n# \u202e return answer \u2066\n")


@handed(FULL)
def planted_modules(folder: Path, solution: str) -> Path:
    """Files beside the submission that Python or pytest would import in its place."""
    mark = f"open({str(folder.parent / 'outside' / 'planted')!r}, 'w').close()\n"
    for name in ("numpy.py", "conftest.py", "sitecustomize.py", "json.py", "grading.py"):
        written(folder, mark, name)
    return written(folder, solution)


@handed(FULL)
def notebook_with_outputs(folder: Path, solution: str) -> Path:
    """A notebook whose outputs claim full marks and hold pages of script."""
    page = "<script>alert(1)</script>" * 1000
    return notebook(folder, solution, outputs=[{"data": {"text/html": page}, "score": 100}])


@handed(FULL)
def notebook_of_marks(folder: Path, solution: str) -> Path:
    """A notebook with marks that reverse what is shown, on each of fifty thousand lines."""
    return notebook(folder, solution + "\ndef idle():\n    pass\n" + "    #\u202e\n" * 50_000)


@handed(NOTHING)
def deep_notebook(folder: Path, solution: str) -> Path:
    """A notebook of lists a hundred thousand deep."""
    return written(folder, "[" * 100_000 + "]" * 100_000, "lab3.ipynb")


@handed(NOTHING)
def notebook_that_crashes(folder: Path, solution: str) -> Path:
    """A notebook cell over which Python's parser breaks down."""
    return notebook(folder, solution + "\nif 1:\n x\n" + "elif 1:\n x\n" * 60_000)
