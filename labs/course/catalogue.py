"""What labs and tasks there are: each lab's `lab.toml`, read and checked."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

LABS = ROOT / "labs"


@dataclass(frozen=True)
class Task:
    """One thing a student writes: a top-level function or class of `tasks.py`."""

    id: str
    name: str
    points: int
    builds_on: tuple[str, ...]
    hints: tuple[str, str, str]
    answer: str = ""  # to the question that the lesson asks


@dataclass(frozen=True)
class Figure:
    """A result that the lab's README promises and its report compares; `key` names it in code.

    `range` is the lowest and highest that the solution obtained with seeds 0, 1 and 2.
    """

    key: str
    name: str
    text: str
    bound: float
    direction: Literal["at_most", "at_least"]
    preset: str
    range: tuple[float, float] | None = None

    @property
    def words(self) -> str:
        """The direction, to stand before the bound."""
        return self.direction.replace("_", " ")

    @property
    def measured(self) -> str:
        """What three seeds gave, to stand behind the bound; empty if that was not measured."""
        if self.range is None:
            return ""
        low, high = self.range
        return f" (three seeds gave {low:g} to {high:g})"

    def met(self, value: float) -> bool:
        """Whether `value` keeps the promise."""
        return value <= self.bound if self.direction == "at_most" else value >= self.bound


@dataclass(frozen=True)
class Lab:
    """One lab's folder, tasks and promises."""

    number: int
    title: str
    folder: Path
    tasks: tuple[Task, ...]
    figures: tuple[Figure, ...] = ()
    preload: tuple[str, ...] = ()
    grading_seconds: int = 30

    @property
    def slug(self) -> str:
        """The folder's name, `lab3_notes`."""
        return self.folder.name

    @property
    def tasks_file(self) -> Path:
        """What a student edits, or the notebook."""
        return self.folder / "tasks.py"

    @property
    def solution_file(self) -> Path:
        """The lab's source; a student handout has none."""
        return self.folder / "solution.py"

    @property
    def notebook_file(self) -> Path:
        """The same lab as a notebook."""
        return self.folder / f"lab{self.number}.ipynb"

    def task(self, key: str) -> Task:
        """Find a task by id or by name."""
        for task in self.tasks:
            if key in (task.id, task.name):
                return task
        raise EtudeError(
            f"task {key}: lab {self.number} has {self.tasks[0].id} … {self.tasks[-1].id}"
        )


def all_labs(folder: Path | None = None) -> list[Lab]:
    """Every lab there is, by number."""
    return [read_lab(path) for _, path in sorted(_lab_files(folder).items())]


def load_lab(number: int | str, folder: Path | None = None) -> Lab:
    """Read one lab.

    Raises
    ------
    EtudeError
        If there is no such lab, or its `lab.toml` is wrong.
    """
    files = _lab_files(folder)
    key = str(number).strip().lower().removeprefix("lab")
    if not key.isdecimal() or int(key) not in files:
        there = ", ".join(str(known) for known in sorted(files)) or "none"
        begin = re.match(r"\d+", key)  # of 4-continue the lab is missing, if it is
        wanted = begin[0] if begin and int(begin[0]) not in files else number
        raise EtudeError(f"there is no lab {wanted}: labs here are {there}")
    return read_lab(files[int(key)])


def find_task(task_id: str, folder: Path | None = None) -> tuple[Lab, Task]:
    """Find the lab and the task that an id such as "3.4" names."""
    if not isinstance(task_id, str):
        raise EtudeError(f'task {task_id}: write it in quotes, "{task_id}"')
    match = re.fullmatch(r"\s*(\d+)\.\d+\s*", task_id)
    if not match:
        raise EtudeError(f'task "{task_id}": a task is named like 3.4')
    lab = load_lab(match[1], folder)
    return lab, lab.task(task_id.strip())


def checks_hash(lab: Lab, folder: Path = ROOT / "grading") -> str:
    """Hash the checks that everybody has: who has the same hash is judged alike by them.

    Hidden checks stay out, or no student's hash would agree with the instructor's.
    """
    checks = folder / f"lab{lab.number}" / "public"
    digest = hashlib.sha256()
    for path in sorted(checks.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(checks)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def read_lab(path: Path) -> Lab:
    """Read and check one `lab.toml`.

    Raises
    ------
    EtudeError
        Naming the file and what is wrong in it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        lab = Lab(
            number=table["number"],
            title=table["title"],
            folder=path.parent,
            tasks=tuple(_task(entry) for entry in table["task"]),
            figures=tuple(_figure(entry) for entry in table.get("figure", [])),
            preload=tuple(table.get("preload", [])),
            grading_seconds=int(table.get("grading_seconds", 30)),
        )
        _validate(lab)
    except KeyError as error:
        raise EtudeError(f"{shown(path)}: {error} is missing") from None
    except (ValueError, TypeError, OSError) as error:
        raise EtudeError(f"{shown(path)}: {error}") from None
    return lab


def example_lab() -> int:
    """The lab that an example command names: 3 where it is, else the first of a handout's."""
    here = [lab.number for lab in all_labs()]
    return 3 if 3 in here or not here else min(here)


def _lab_files(folder: Path | None) -> dict[int, Path]:
    paths = (folder or LABS).glob("lab*_*/lab.toml")
    numbers = ((re.match(r"lab(\d+)_", path.parent.name), path) for path in paths)
    return {int(match[1]): path for match, path in numbers if match}


def _task(entry: dict[str, Any]) -> Task:
    fields = {"builds_on": [], **entry}
    fields["builds_on"] = tuple(fields["builds_on"])
    fields["hints"] = tuple(fields["hints"])
    return Task(**fields)


def _figure(entry: dict[str, Any]) -> Figure:
    rest = dict(entry)
    bounds = {name: rest.pop(name) for name in ("at_most", "at_least") if name in rest}
    if len(bounds) != 1:
        raise ValueError(f"figure {entry['name']} needs one of at_most and at_least")
    ((direction, bound),) = bounds.items()
    if "range" in rest:
        low, high = rest["range"] = tuple(rest["range"])
        if low > high:
            raise ValueError(f"figure {entry['name']}: range is {low} to {high}, the lower first")
    figure = Figure(bound=bound, direction=direction, **rest)
    if figure.range and not all(map(figure.met, figure.range)):
        raise ValueError(f"figure {figure.name}: its range breaks its promise, {bound}")
    return figure


def _validate(lab: Lab) -> None:
    if not lab.folder.name.startswith(f"lab{lab.number}_"):
        raise ValueError(f"number {lab.number} is not the folder's, {lab.folder.name}")
    ids = [task.id for task in lab.tasks]
    expected = [f"{lab.number}.{place}" for place in range(1, len(ids) + 1)]
    if ids != expected:
        raise ValueError(f"tasks are {ids}, not {expected}")
    if (total := sum(task.points for task in lab.tasks)) != 100:
        raise ValueError(f"points sum to {total}, not to 100")
    for place, task in enumerate(lab.tasks):
        if len(task.hints) != 3:
            raise ValueError(f"task {task.id} has {len(task.hints)} hints, not 3")
        if unknown := set(task.builds_on) - set(ids[:place]):
            raise ValueError(f"task {task.id} builds on {sorted(unknown)}, not on earlier tasks")
