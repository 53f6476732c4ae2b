"""Where things are: the one place that knows the repository's layout."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from toolkit.errors import EtudeError
from toolkit.plain import printable

ROOT = Path(__file__).resolve().parent.parent
DATASETS = ROOT / "datasets"
CACHE = DATASETS / "cache"
RUNS = ROOT / "runs"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; what was there stays if it cannot be."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a device or a pipe: root could replace it
        path.write_bytes(data)
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> Path:
    """Make a folder that somebody named, and those above it, so that it can be written into.

    Raises
    ------
    EtudeError
        If that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    else:
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    if reason:
        raise EtudeError(f"no folder can be made or written at {shown(folder)}: {reason}")
    return folder


def hold(path: Path) -> IO[str] | None:
    """Open a file that one process holds at a time; None if another does.

    It holds it until the file is closed or the process has ended, killed or not.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def shown(path: Path) -> str:
    """Format a path as a user would type it: relative to where they stand, if it is below.

    Its name may be a stranger's: what comes back is one line that is safe to show.
    """
    path = Path(path)
    with suppress(ValueError, RuntimeError, OSError):  # elsewhere; a link that leads to itself
        path = path.resolve().relative_to(Path.cwd())
    return printable(str(path))
