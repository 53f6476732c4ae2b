"""What a class handed in: find each student's one file and read it, whatever else is there.

A folder of files, of folders (one a student: GitHub Classroom's clones), or Gradescope's export.
A file is read by its name and with a count of bytes; nothing is unpacked and no link is followed.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from grading.sandbox.files import JUNK, Files, Refusal, in_folder, in_zip, read_file
from labs.course.catalogue import Lab
from labs.course.submission import stubs_left
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import MAX_PATH, plain, printable

GRADESCOPE = "submission_metadata.yml"
MAX_NAME = 255  # bytes of a name, as on most disks
HANDFUL = 10  # files of one student whose contents are compared
CODE = (".py", ".ipynb")


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
    other
        Name and content of the notebook beside a `tasks.py`, or the other way round.
    """

    student: str
    people: tuple[Person, ...]
    file: str
    content: bytes = b""
    problem: str = ""
    notes: tuple[str, ...] = ()
    other: tuple[str, bytes] | None = None

    @property
    def digest(self) -> str:
        """What was handed in, in 16 digits."""
        beside = self.other[1] if self.other else b""
        parts = f"{self.file}\0{self.problem}\0".encode(), self.content, beside
        return sha256(b"".join(parts)).hexdigest()[:16]


def find_submissions(folder: Path, lab: Lab) -> tuple[list[Handed], list[str]]:
    """Read what is below a class's folder: the submissions by student, and names left out.

    Raises
    ------
    EtudeError
        If there is no such folder, or no submission in it.
    """
    files, people, left_out = by_student(folder, CODE)
    there = set(map(printable, files))
    files |= {student: [] for student in people if student not in there}
    handed = [
        read_one(folder, student, sorted(names), lab, people) for student, names in files.items()
    ]
    return distinct(handed), left_out


def by_student(
    folder: Path, suffixes: tuple[str, ...]
) -> tuple[dict[str, list[str]], dict[str, list[Person]], list[str]]:
    """List a class's folder: names of files, zips and folders by student, people, what is neither.

    Raises
    ------
    EtudeError
        If there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        what = "is a file: unpack it and name the folder" if folder.exists() else "is not there"
        raise EtudeError(f"SUBMISSIONS={shown(folder)} {what}")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise EtudeError(f"SUBMISSIONS={shown(folder)} cannot be read: {error.strerror}") from None
    files: dict[str, list[str]] = {}
    left_out = []
    for entry in entries:
        path = PurePosixPath(entry.name)
        if entry.name.startswith(".") or entry.name in {GRADESCOPE, *JUNK}:
            continue
        if entry.is_dir(follow_symlinks=False):
            files.setdefault(entry.name, []).append(entry.name)
        elif path.suffix.lower() in (*suffixes, ".zip"):
            files.setdefault(path.stem, []).append(entry.name)
        else:
            left_out.append(printable(entry.name))
    if not files:
        raise EtudeError(
            f"SUBMISSIONS={shown(folder)} holds no submission: it needs a {', '.join(suffixes)} or "
            ".zip file or a folder for each student"
        )
    return files, submitters(folder / GRADESCOPE), left_out


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
        choice = chosen(folder / names[0], names[0], lab)
        file = printable(choice.path)
        if len(file) > MAX_PATH or any(len(os.fsencode(n)) > MAX_NAME for n in file.split("/")):
            raise Refusal(f"{plain(file, 100)} has too long a name: give it a shorter one")
    except Refusal as refusal:
        problem = str(refusal)
    except OSError as error:
        problem = f"{Path(error.filename or names[0]).name} cannot be read: {error.strerror}"
    else:
        notes = tuple(map(printable, choice.notes))
        return Handed(key, tuple(who), file, choice.content, notes=notes, other=choice.other)
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


class Choice(NamedTuple):
    """The file that counts: its path, bytes and notes, and the other one of a lab's two files."""

    path: str
    content: bytes
    notes: tuple[str, ...] = ()
    other: tuple[str, bytes] | None = None


def chosen(path: Path, name: str, lab: Lab) -> Choice:
    """Read the file that counts, of a file, a zip or a folder."""
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        choice = pick(in_folder(path, (*CODE, ".zip")), lab)
        if choice.path.endswith(".zip"):
            name = f"{name}/{choice.path}"
            choice = pick(in_zip(path / choice.path, CODE), lab)
    elif path.suffix.lower() == ".zip":
        choice = pick(in_zip(path, CODE), lab)
    else:
        return Choice(name, read_file(path))
    return choice._replace(path=f"{name}/{choice.path}")


# Which file counts


def pick(files: Files, lab: Lab) -> Choice:
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
        (path,) = candidates
        return Choice(
            path, b"" if path.endswith(".zip") else files[path]()
        )  # who looks inside reads
    read = candidates if len(candidates) <= HANDFUL else []
    contents = {path: files[path]() for path in read if not path.endswith(".zip")}
    if contents and len(set(contents.values())) == 1:
        return Choice(candidates[0], contents[candidates[0]])
    if {PurePosixPath(path).name for path in candidates} == names and len(candidates) == 2:
        return further(contents)
    listed = ", ".join(plain(path, 100) for path in candidates[:3]) + (
        " …" if len(candidates) > 3 else ""
    )
    raise Refusal(f"{len(candidates)} files that may be meant: {listed}; keep the one that counts")


def further(contents: dict[str, bytes]) -> Choice:
    """Of a `tasks.py` and a notebook, choose the one with more tasks written."""
    todo = {path: stubs_left(content) for path, content in contents.items()}
    best, other = sorted(contents, key=lambda path: (len(todo[path]), not path.endswith(".py")))
    ids = ", ".join(sorted(todo[best] - todo[other]))
    notes = (f"{other} was not graded, but has {ids}, {best} has not",) if ids else ()
    return Choice(best, contents[best], notes, (PurePosixPath(other).name, contents[other]))
