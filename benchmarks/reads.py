"""Which files a proof reads: it has to run again when one of them has changed, and only then.

What its file imports, followed through the packages; what a file names, by path or for
`python -m`; the labs that it is about. What it starts as a process shows in no import: then it
reads all that the process might, or what its mark says, `@pytest.mark.verify(reads=["docs"])`.
"""

import ast
import hashlib
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from grading.core.imports import imported, with_imports
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

PACKAGES = ("toolkit", "labs", "grading", "benchmarks", "tests")
ALWAYS = ("tests/conftest.py", "pyproject.toml", "requirements.lock", "requirements-dev.lock")
COURSE = ("toolkit", "labs", "grading", "datasets", "Makefile")
STARTERS = {"subprocess", "nbclient"}  # who imports one of these starts processes
RESULTS = "benchmarks/results/verify.json"
CATALOGUE = "labs/course/catalogue.py"  # who imports it may look at every lab


@dataclass(frozen=True)
class Proof:
    """A test marked `verify`.

    Attributes
    ----------
    name
        Its id for pytest.
    group
        Proofs of a file and group run one after another in one process.
    labs
        Numbers of the labs that it is parametrised by.
    reads
        What its mark says; None if it says nothing.
    """

    name: str
    group: str
    labs: tuple[int, ...]
    reads: tuple[str, ...] | None

    @property
    def file(self) -> str:
        """The path of its file."""
        return self.name.partition("::")[0]


def state_of(proof: Proof) -> str:
    """Hash everything that a proof reads, with the versions that it runs on."""
    release = platform.release().partition("-")[0]
    state = hashlib.sha256(f"{platform.python_version()} {release}".encode())
    for name in files_read(proof.file, proof.labs, proof.reads):
        state.update(f"{name}\0{content_hash(name)}".encode())
    return state.hexdigest()[:16]


@cache
def files_read(file: str, labs: tuple[int, ...], reads: tuple[str, ...] | None) -> list[str]:
    """Every file that a proof of a test's file reads, sorted."""
    found = closure((*ALWAYS, file))
    if reads is not None:
        more = reads
    elif any(starts_processes(name) for name in found):
        beyond = any(name.startswith(("labs/", "grading/")) for name in found)
        more = COURSE if beyond else ("toolkit",)
    elif labs or CATALOGUE in found:
        more = tuple(folder for folder in lab_folders() if lab_of(folder) in labs)
        more = more or lab_folders()
    else:
        more = ()
    return sorted(closure(found.union(*map(inside, more))))


def closure(names: Iterable[str]) -> set[str]:
    """Files, what they import, and what they or those name."""
    found: set[str] = set()
    todo = set(names)
    while todo:
        new = set(with_imports(sorted(todo), PACKAGES)) - found
        found |= new
        todo = {other for name in new for other in named(name)} - found
    return found


@cache
def named(name: str) -> frozenset[str]:
    """Files that a module names, and those with no code that stand beside it."""
    if not name.endswith(".py"):
        return frozenset()
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    texts = {text for node in ast.walk(tree) for text in paths_in(node)} - set(PACKAGES)
    folder = name.rpartition("/")[0]
    beside = {
        other
        for other in (*inside(folder), *inside(f"{folder}/templates"))
        if other.rpartition("/")[0] in (folder, f"{folder}/templates") and not other.endswith(".py")
    }
    return frozenset(beside.union(*map(inside, texts)))


def paths_in(node: ast.AST) -> Iterator[str]:
    """What a node may name: a path or a module as text, a path as `ROOT / "docs" / name`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.fullmatch(r"[\w./-]*/[\w./-]*\w", node.value):
            yield node.value
        elif re.fullmatch(r"(toolkit|labs|grading|benchmarks)(\.\w+)+", node.value):
            yield from module_files(node.value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts: list[str] = []
        while isinstance(node, ast.BinOp):
            right = node.right
            is_text = isinstance(right, ast.Constant) and isinstance(right.value, str)
            parts = [right.value, *parts] if is_text else []  # type: ignore[attr-defined]
            node = node.left
        if isinstance(node, ast.Name) and node.id == "ROOT" and parts:
            yield "/".join(parts)


def module_files(module: str) -> Iterator[str]:
    """Where a module may stand that is run by its name, the short one too."""
    top, _, rest = module.partition(".")
    place = rest.replace(".", "/")
    for middle in ("", *{f"{folder.name}/" for folder in (ROOT / top).glob("*/")}):
        yield f"{top}/{middle}{place}.py"
        yield f"{top}/{middle}{place}/__main__.py"


@cache
def starts_processes(name: str) -> bool:
    """Whether a test's file or helper starts processes."""
    is_test = name.startswith("tests/") and name.endswith(".py")
    return is_test and bool(STARTERS & set(imported(ROOT / name)))


@cache
def lab_folders() -> tuple[str, ...]:
    """The folders that belong to one lab."""
    matches = (re.match(r"labs/lab\d+_\w+|grading/lab\d+(?=/)", name) for name in tracked())
    return tuple(sorted({match[0] for match in matches if match}))


def lab_of(folder: str) -> int:
    """The number in a lab's folder."""
    return int(re.findall(r"/lab(\d+)", folder)[0])


def inside(path: str) -> tuple[str, ...]:
    """The files at or below a path."""
    return by_path().get(path, ())


@cache
def by_path() -> dict[str, tuple[str, ...]]:
    """From each file to itself, and from each folder to the files below it."""
    found: dict[str, tuple[str, ...]] = {}
    for name in tracked():
        for path in (name, *map(str, PurePosixPath(name).parents)):
            found[path] = (*found.get(path, ()), name)
    return found


@cache
def tracked() -> tuple[str, ...]:
    """The files of the working tree, but for those that git ignores, and the proofs' results."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise EtudeError("make verify needs a git checkout, to know what has changed since")
    names = sorted(set(filter(None, listed.stdout.split("\0"))) - {RESULTS})
    return tuple(name for name in names if (ROOT / name).is_file())


@cache
def content_hash(name: str) -> str:
    """Hash a file's content."""
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
