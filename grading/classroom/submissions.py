"""What a class handed in: find each student's one file and read it, whatever else is there.

A folder of files, of folders (one a student: GitHub Classroom's clones), or Gradescope's export.
A file is read by its name and with a count of bytes; nothing is unpacked and no link is followed.
"""

import io
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from labs.course.catalogue import Lab
from labs.course.submission import MAX_BYTES, stubs_left
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import MAX_PATH, plain, printable

GRADESCOPE = "submission_metadata.yml"
MAX_ZIP = 20 * MAX_BYTES
MAX_FILES = 2_000  # in one student's folder or zip
MAX_DEPTH = 8  # folders below a student's
MAX_NAME = 255  # bytes of a name, as on most disks
HANDFUL = 10  # files of one student whose contents are compared
JUNK = {"__MACOSX", "__pycache__", "node_modules"}

# what zipfile raises over damaged bytes
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)

Files = dict[str, Callable[[], bytes]]  # what a student's folder or zip holds, by path


@dataclass(frozen=True)
class Person:
    """One who handed in, as far as it is known."""

    id: str
    name: str = ""
    email: str = ""
    sid: str = ""


@dataclass(frozen=True)
class Handed:
    """One student's file, or why there is none to grade.

    Attributes
    ----------
    student
        Unique in the class; hidden inputs are drawn for it.
    file
        Its path below the class's folder; what is in a zip goes on below the zip's name.
    problem
        Why nothing can be graded; "" if something can.
    """

    student: str
    people: tuple[Person, ...]
    file: str
    content: bytes = b""
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What was handed in, in 16 digits."""
        return sha256(f"{self.file}\0{self.problem}\0".encode() + self.content).hexdigest()[:16]


class Refusal(Exception):
    """Why a file is not read, as it is told to the instructor."""


def find_submissions(folder: Path, lab: Lab) -> tuple[list[Handed], list[str]]:
    """Read what is below a class's folder: the submissions by student, and names left out.

    Raises
    ------
    EtudeError
        If there is no such folder, or no submission in it.
    """
    if not folder.is_dir():
        what = "is a file: unpack it and name the folder" if folder.exists() else "is not there"
        raise EtudeError(f"SUBMISSIONS={shown(folder)} {what}")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise EtudeError(f"SUBMISSIONS={shown(folder)} cannot be read: {error.strerror}") from None
    people = submitters(folder / GRADESCOPE)
    files: dict[str, list[str]] = {}
    left_out = []
    for entry in entries:
        path = PurePosixPath(entry.name)
        if entry.name.startswith(".") or entry.name in {GRADESCOPE, *JUNK}:
            continue
        if entry.is_dir(follow_symlinks=False):
            files.setdefault(entry.name, []).append(entry.name)
        elif path.suffix.lower() in (".py", ".ipynb", ".zip"):
            files.setdefault(path.stem, []).append(entry.name)
        else:
            left_out.append(entry.name)
    if not files:
        raise EtudeError(
            f"SUBMISSIONS={shown(folder)} holds no submission: it needs a .py, .ipynb or .zip file "
            "or a folder for each student"
        )
    there = set(map(printable, files))
    files |= {student: [] for student in people if student not in there}
    handed = [
        read_one(folder, student, sorted(names), lab, people) for student, names in files.items()
    ]
    return distinct(handed), [printable(name) for name in left_out]


def distinct(handed: list[Handed]) -> list[Handed]:
    """Give those a name of their own whose name differs from an earlier one's in case at most.

    Of names that differed in how accents are encoded nothing else is left, and they are the same.
    """
    taken = {one.student.casefold() for one in handed}
    seen: set[str] = set()
    result = []
    for one in handed:
        if one.student.casefold() in seen:
            names = (f"{one.student} ({number})" for number in count(2))
            one = replace(one, student=next(n for n in names if n.casefold() not in taken))
            taken.add(one.student.casefold())
        seen.add(one.student.casefold())
        result.append(one)
    return result


def read_one(
    folder: Path, student: str, names: list[str], lab: Lab, people: dict[str, list[Person]]
) -> Handed:
    """Read what one student handed in."""
    who = people.get(printable(student), [Person(printable(student))])
    key = "+".join(sorted(person.id for person in who))
    try:
        if not names:
            raise Refusal("Gradescope's list names it, but it is not there")
        if len(names) > 1:
            raise Refusal(f"two files: {' and '.join(names)}; keep the one that counts")
        path, content, notes = chosen(folder / names[0], names[0], lab)
        file = printable(path)
        if len(file) > MAX_PATH or any(len(os.fsencode(n)) > MAX_NAME for n in file.split("/")):
            raise Refusal(f"{plain(file, 100)} has too long a name: give it a shorter one")
    except Refusal as refusal:
        problem = str(refusal)
    except OSError as error:
        problem = f"{Path(error.filename or names[0]).name} cannot be read: {error.strerror}"
    else:
        return Handed(key, tuple(who), file, content, notes=tuple(map(printable, notes)))
    file = names[0] if names else student
    return Handed(key, tuple(who), printable(file), problem=printable(problem))


def submitters(path: Path) -> dict[str, list[Person]]:
    """Who is behind each folder of Gradescope's export; nothing without its list.

    Raises
    ------
    EtudeError
        If it cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        table = yaml.load(path.read_text(encoding="utf-8"), Plain)
        return {
            printable(folder): [
                Person(
                    said(entry, ":sid") or said(entry, ":email") or said(entry, ":name") or folder,
                    said(entry, ":name"),
                    said(entry, ":email"),
                    said(entry, ":sid"),
                )
                for entry in facts[":submitters"]
            ]
            for folder, facts in (table or {}).items()
            if facts.get(":submitters")
        }
    except (OSError, ValueError, yaml.YAMLError, KeyError, AttributeError, TypeError):
        raise EtudeError(f"{shown(path)} is not Gradescope's list of submitters") from None


def said(entry: dict[str, Any], key: str) -> str:
    """What Gradescope's list says of a student; "" if nothing."""
    return printable(str(entry.get(key) or ""))


class Plain(yaml.SafeLoader):
    """Reads a Ruby program's YAML: its own kinds of object become plain values."""


def plainly(loader: Any, _: str, node: yaml.Node) -> Any:
    """Read a node as if it had no tag."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


Plain.add_multi_constructor("!ruby/", plainly)


# One student's files


def chosen(path: Path, name: str, lab: Lab) -> tuple[str, bytes, tuple[str, ...]]:
    """Read the file that counts, of a file, a zip or a folder: its path, bytes, and notes."""
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        files = in_folder(path)
        inner, content, notes = pick(files, lab)
        if inner.endswith(".zip"):
            name, (inner, content, notes) = f"{name}/{inner}", pick(in_zip(path / inner), lab)
        return f"{name}/{inner}", content, notes
    if path.suffix.lower() == ".zip":
        inner, content, notes = pick(in_zip(path), lab)
        return f"{name}/{inner}", content, notes
    return name, read_file(path), ()


def read_file(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read an ordinary file of at most so many bytes, and no link."""
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


def in_folder(top: Path) -> Files:
    """List the files of a student's folder that may be the one; no link is followed."""
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
            elif may_count(entry.name):
                found[path.relative_to(top).as_posix()] = partial(read_file, path)
    return found


def in_zip(path: Path) -> Files:
    """List a zip's members that may be the one; a zip that could do harm is refused whole."""
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
        if may_count(name)
        and not name.endswith(".zip")
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
            content = file.read(MAX_BYTES + 1)
    except BROKEN:
        raise Refusal(f"{member.filename[:100]!r} in the zip is broken") from None
    if len(content) > MAX_BYTES:
        raise Refusal(f"{member.filename[:100]!r} is over {MAX_BYTES // 1_000_000} MB unpacked")
    return content


# Which file counts


def may_count(name: str) -> bool:
    """Whether a name can be a submission's."""
    return name.lower().endswith((".py", ".ipynb", ".zip"))


def pick(files: Files, lab: Lab) -> tuple[str, bytes, tuple[str, ...]]:
    """Choose the file that counts.

    First what lies where the course has it, then what is called as there, then what `make submit`
    wrote, then any. Of a notebook and a `tasks.py` the one with more written counts.
    """
    names = {lab.tasks_file.name, lab.notebook_file.name}
    ranks: list[Callable[[str], bool]] = [
        lambda path: (
            f"/{path}".rpartition("/")[0].endswith(f"/labs/{lab.slug}")
            and PurePosixPath(path).name in names
        ),
        lambda path: PurePosixPath(path).name in names,
        lambda path: PurePosixPath(path).name == f"lab{lab.number}.zip",
        lambda path: True,
    ]
    for rank in ranks:
        if candidates := sorted(filter(rank, files)):
            break
    else:
        raise Refusal("no .py or .ipynb file")
    if len(candidates) == 1:
        return (candidates[0], *read_lazily(files, candidates[0]))
    read = candidates if len(candidates) <= HANDFUL else []
    contents = {path: files[path]() for path in read if not path.endswith(".zip")}
    if contents and len(set(contents.values())) == 1:
        return candidates[0], contents[candidates[0]], ()
    if {PurePosixPath(path).name for path in candidates} == names and len(candidates) == 2:
        return further(contents)
    listed = ", ".join(plain(path, 100) for path in candidates[:3]) + (
        " …" if len(candidates) > 3 else ""
    )
    raise Refusal(f"{len(candidates)} files that may be meant: {listed}; keep the one that counts")


def read_lazily(files: Files, path: str) -> tuple[bytes, tuple[str, ...]]:
    """Read a file, but leave a zip to whoever looks inside."""
    return (b"" if path.endswith(".zip") else files[path]()), ()


def further(contents: dict[str, bytes]) -> tuple[str, bytes, tuple[str, ...]]:
    """Of a `tasks.py` and a notebook, choose the one with more tasks written."""
    todo = {path: stubs_left(content) for path, content in contents.items()}
    best, other = sorted(contents, key=lambda path: (len(todo[path]), not path.endswith(".py")))
    if only := todo[best] - todo[other]:
        ids = ", ".join(sorted(only))
        return best, contents[best], (f"{other} was not graded, but has {ids}, {best} has not",)
    return best, contents[best], ()
