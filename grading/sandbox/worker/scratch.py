"""A worker's folder from outside: how full it is, and how to delete it whatever was done to it."""

import contextlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path


def usage(folder: Path, most: int) -> tuple[int, int]:
    """Bytes on disk and entries in a folder; it stops counting beyond so many entries.

    A folder that cannot be looked into (its path too long, its mode changed) counts as too many.
    """
    size = entries = 0
    todo = [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > most:
                        return size, entries
                    with contextlib.suppress(FileNotFoundError):  # gone since
                        size += 512 * entry.stat(follow_symlinks=False).st_blocks
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(entry.path)
        except FileNotFoundError:
            continue
        except OSError:
            return size, most + 1
    return size, entries


def delete(folder: Path) -> None:
    """Delete a folder, however deep it is and whatever its modes: what is inside moves up first.

    Another process may be deleting it, too. Its file `lock` goes last: where a deletion was cut
    off, the next grader sees by it that nobody needs the rest.
    """
    unused = (folder / f"moved-{os.getpid()}-{number}" for number in count())
    with contextlib.suppress(OSError):  # what a process that is not ours holds on to stays
        os.chmod(folder, 0o700)
        while entries := list(os.scandir(folder)):
            for entry in entries:
                if entry.name != "lock" or len(entries) == 1:
                    with contextlib.suppress(FileNotFoundError):  # gone since
                        raise_up(entry, unused)
        os.rmdir(folder)


def raise_up(entry: os.DirEntry[str], unused: Iterator[Path]) -> None:
    """Delete a file, or a folder when what is inside has been moved to unused places."""
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    os.chmod(entry.path, 0o700)
    for inner in list(os.scandir(entry.path)):
        place = next(path for path in unused if not os.path.lexists(path))
        if inner.is_dir(follow_symlinks=False):
            os.chmod(inner.path, 0o700)  # a folder is moved by who may write in it
        os.rename(inner.path, place)
    os.rmdir(entry.path)
