"""A file that was handed in: read whole or refused in one sentence, and where it is no Python."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from labs.course.cells import notebook_source
from labs.course.merge import merge
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import few, plain, printable

MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Submission:
    """Source text that was handed in, with what its reader should be told.

    `source` of a notebook is its definitions, each cell under a line `# cell [7]`.
    """

    path: Path
    source: str
    notes: tuple[str, ...] = ()

    def place(self, line: int) -> str:
        """Name a line of `source` as its author knows it: `tasks.py:12` or a cell's line."""
        if self.path.suffix != ".ipynb":
            return f"{shown(self.path)}:{line}"
        lines = self.source.splitlines()[:line]
        for back, text in enumerate(reversed(lines)):
            if cell := re.fullmatch(r"# cell (\d+|\[\d+\])", text):
                return f"{printable(self.path.name)}, cell {cell[1]}, line {back}"
        return shown(self.path)


# what a stub leaves in a file, or in a notebook's JSON
_LEFT = re.compile(rb"raise NotImplementedError\(\\?[\"'](\d+\.\d+)\\?[\"']\)")


def stubs_left(content: bytes) -> set[str]:
    """Ids of the tasks that a stranger's file has not written; nothing of it is parsed."""
    return {task.decode() for task in _LEFT.findall(content)}


class Flaw(NamedTuple):
    """Where and why a text is not Python; no line if that is not known."""

    line: int | None
    reason: str


def flaw(source: str) -> Flaw | None:
    """Find where and why `source` is not Python; None if it is."""
    try:
        merge(source, "", ())
    except SyntaxError as error:
        return Flaw(error.lineno or 1, plain(error.msg))
    except MemoryError:
        return Flaw(None, "Python needs too much memory to compile it")
    except (ValueError, RecursionError, OverflowError) as error:
        return Flaw(None, plain(str(error)) or type(error).__name__)
    return None


def syntax_error(submission: Submission, found: Flaw | None = None) -> str | None:
    """Say where and why `submission` is not Python, or None if it is.

    Parameters
    ----------
    found : Flaw, optional
        What was found out already.
    """
    if not (found := found or flaw(submission.source)):
        return None
    place = submission.place(found.line) if found.line else shown(submission.path)
    return f"{place}: {found.reason}"


def read_submission(path: Path | str) -> Submission:
    """Read a `.py` file, or the definitions of an `.ipynb`, without running anything.

    A syntax error is left in the text of a `.py` file: see `syntax_error`.

    Raises
    ------
    EtudeError
        If `path` is missing, not an ordinary file, over 1 MB, not UTF-8, not `.py` or `.ipynb`, or
        not a notebook.
    """
    path = Path(path)
    name = shown(path) if not path.is_symlink() else printable(str(path))
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        raise EtudeError(f"there is no file {name}") from None
    if stat.S_ISLNK(mode):
        raise EtudeError(f"{name} is a link: hand in the file itself")
    if stat.S_ISDIR(mode):
        raise EtudeError(f"{name} is a folder: name the .py or .ipynb file in it")
    if not stat.S_ISREG(mode):
        raise EtudeError(f"{name} is not an ordinary file")
    if path.suffix not in (".py", ".ipynb"):
        raise EtudeError(f"{name} is neither a .py file nor an .ipynb notebook")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EtudeError(f"{name} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        advice = ": clear its outputs and save it again" if path.suffix == ".ipynb" else ""
        raise EtudeError(f"{name} is over {MAX_BYTES // 1_000_000} MB{advice}")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise EtudeError(f"{name}:{line} is not UTF-8 text: save the file as UTF-8") from None
    if path.suffix == ".py":
        return Submission(path, text)
    try:
        source, broken, lacking = notebook_source(text)
    except EtudeError as error:
        raise EtudeError(f"{name} {error}") from None
    notes = [
        f"{printable(path.name)}, cell {cell} is left out: {why}" for cell, why in broken.items()
    ] + [
        f"{plain(made, 80)} is not there when your code is graded, because a cell makes it by "
        "running something: make it inside a function"
        for made in lacking
    ]
    return Submission(path, source, few(notes, len(notes)))
