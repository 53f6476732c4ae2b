"""A lab's checks: the tests of its folders `public` and `hidden`, as their marks declare them."""

import importlib
import inspect
from collections.abc import Callable

import numpy as np

from grading.core.results import Check
from grading.sandbox.proxy import Code
from labs.course.catalogue import Lab
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

CheckTest = tuple[Check, Callable[..., None]]


def collect(lab: Lab) -> list[CheckTest]:
    """A lab's checks in the order of its tasks, from its folders `public` and `hidden`.

    Raises
    ------
    EtudeError
        If there are none.
    """
    found = []
    for path in sorted((ROOT / "grading" / f"lab{lab.number}").glob("*/test_*.py")):
        module = importlib.import_module(f"grading.lab{lab.number}.{path.parent.name}.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and hasattr(test, "pytestmark"):
                found.append((declared(name, test.pytestmark), test))
    if not found:
        raise EtudeError(f"lab {lab.number} has no checks yet")
    order = [task.id for task in lab.tasks]
    return sorted(found, key=lambda entry: (order.index(entry[0].task), entry[0].hidden))


def declared(name: str, marks: list) -> Check:
    """Read a test's `check` mark."""
    (mark,) = (mark for mark in marks if mark.name == "check")
    return Check(name=name, **mark.kwargs)


def chosen(checks: list[CheckTest], tasks: list[str] | None, public: bool) -> list[CheckTest]:
    """Those of some tasks, or of all, with hidden ones or without."""
    return [
        (check, test)
        for check, test in checks
        if (tasks is None or check.task in tasks) and not (public and check.hidden)
    ]


def with_its_fixtures(test: Callable[..., None]) -> Callable[..., None]:
    """Hand a test only what its signature names of student, solution, reader and rng."""
    names = inspect.signature(test).parameters

    def given(student: Code, solution: Code, reader: Code, rng: np.random.Generator) -> None:
        values = {"student": student, "solution": solution, "reader": reader, "rng": rng}
        test(**{name: value for name, value in values.items() if name in names})

    return given
