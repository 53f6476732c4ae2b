"""Files that were handed in, read by name and with a count of bytes, whatever they are.

Nothing is unpacked and no link is followed; nothing here looks into what a file holds.
"""

import io
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from labs.course.submission import MAX_BYTES, most_bytes, too_large

MAX_ZIP = 20 * MAX_BYTES
MAX_FILES = 2_000  # in one student's folder or zip
MAX_DEPTH = 8  # folders below a student's
JUNK = {"__MACOSX", "__pycache__", "node_modules"}

# what zipfile raises over damaged bytes
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)

Files = dict[str, Callable[[], bytes]]  # what a student's folder or zip holds, by path


class Refusal(Exception):
    """Why a file is not read, as it is told to the instructor."""


def read_file(path: Path, limit: int | None = None) -> bytes:
    """Read an ordinary file of at most so many bytes (by its name), and no link."""
    limit = most_bytes(path.name) if limit is None else limit
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        raise Refusal(f"{path.name} is a link: the file itself must be handed in")
    try:
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refusal(f"{path.name} is not an ordinary file")
            content = file.read(limit + 1)
    except OSError as error:
        raise Refusal(f"{path.name} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise Refusal(f"{path.name} is over {limit // 1_000_000} MB")
    return content


def in_folder(top: Path, suffixes: tuple[str, ...]) -> Files:
    """List the files of a student's folder with these suffixes; no link is followed."""
    found: Files = {}
    seen, folders = 0, [(top, 0)]
    while folders:
        folder, depth = folders.pop()
        for entry in os.scandir(folder):
            seen += 1
            if seen > MAX_FILES:
                raise Refusal(f"more than {MAX_FILES:,} files")
            if entry.name.startswith(".") or entry.name in JUNK:
                continue
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if depth == MAX_DEPTH:
                    raise Refusal(f"folders more than {MAX_DEPTH} deep")
                folders.append((path, depth + 1))
            elif entry.name.lower().endswith(suffixes):
                found[path.relative_to(top).as_posix()] = partial(read_file, path)
    return found


def in_zip(path: Path, suffixes: tuple[str, ...]) -> Files:
    """List a zip's members with these suffixes; a zip that could do harm is refused whole."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(read_file(path, MAX_ZIP)))
    except BROKEN:
        raise Refusal(f"{path.name} is not a zip that can be read") from None
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise Refusal(f"{path.name} holds more than {MAX_FILES:,} files")
    for member in members:
        if trouble := harm(member):
            raise Refusal(f"{path.name} holds {member.filename[:100]!r}, {trouble}")
    files = [(within(member), member) for member in members if not member.is_dir()]
    twice = [name for name, count in Counter(name for name, _ in files).items() if count > 1]
    if twice:
        raise Refusal(f"{path.name} holds {twice[0][:100]!r} twice")
    return {
        name: partial(read_member, archive, member)
        for name, member in files
        if name.lower().endswith(suffixes)
        and not any(part.startswith(".") or part in JUNK for part in name.split("/"))
    }


def within(member: zipfile.ZipInfo) -> str:
    """A member's path without the steps that lead nowhere: some programs write `./tasks.py`."""
    return PurePosixPath(member.filename).as_posix()


def harm(member: zipfile.ZipInfo) -> str:
    """Say what is wrong with a zip's member; "" if nothing is."""
    name = member.filename
    mode = member.external_attr >> 16
    if not name:
        return "a member without a name"
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path out of its folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "which is a link or no file"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "which is compressed in an unusual way: pack it again"
    return "which is encrypted" if member.flag_bits & 1 else ""


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack one member up to the limit, whatever size it claims."""
    try:
        with archive.open(member) as file:
            content = file.read(most_bytes(member.filename) + 1)
    except BROKEN:
        raise Refusal(f"{member.filename[:100]!r} in the zip is broken") from None
    if len(content) > most_bytes(member.filename):
        raise Refusal(f"{member.filename[:100]!r} {too_large(member.filename)}")
    return content
