"""The house: each import goes to a room below, the toolkit knows no lab, short names go on."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from toolkit.paths import ROOT

# from the ground up: what stands in a room may import from rooms before it
ROOMS = (
    *("toolkit", "toolkit.data", "toolkit.music", "toolkit.training", "toolkit.report"),
    *("toolkit.machine", "labs", "labs.course", "labs.lab"),
    *("grading.sandbox.worker", "grading.sandbox", "grading.checks", "grading.lab", "grading.core"),
    *("grading.doors", "grading.classroom", "grading.proofs", "grading"),
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the packages, by its dotted name; students' files and the bank aside."""
    paths = [path for top in ("toolkit", "labs", "grading") for path in (ROOT / top).rglob("*.py")]
    kept = [path for path in paths if "bank" not in path.parts and path.name != "tasks.py"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in kept]
    return dict(zip([name.removesuffix(".__init__") for name in names], kept, strict=True))


@cache
def imports(name: str) -> frozenset[str]:
    """The modules of the packages that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & set(modules())) or {node.module}
    return frozenset(found & set(modules()))


def room(name: str) -> int:
    """How high the room of a module is."""
    inside = [
        place
        for place, prefix in enumerate(ROOMS)
        if name == prefix or re.match(rf"{re.escape(prefix)}(\d|\.)", name)
    ]
    return max(inside, key=lambda place: len(ROOMS[place]))


def test_no_import_runs_upward():
    upward = [
        f"{name} imports {other}"
        for name in modules()
        for other in imports(name)
        if room(other) > room(name)
    ]
    assert not upward


def test_no_import_runs_in_a_circle():
    left = {name: set(imports(name)) - {name} for name in modules()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "each of these waits for another"


def test_no_lab_imports_another():
    lab_of = re.compile(r"(?:labs|grading)\.lab(\d)")
    for name in modules():
        if lab := lab_of.match(name):
            others = {other[1] for other in map(lab_of.match, imports(name)) if other}
            assert others <= {lab[1]}, name


def test_the_toolkit_knows_no_lab():
    knowing = re.compile(r"""\bLab \d|\blab\d_\w|["']labs?\d?["']|labs[./]lab""")
    for name, path in modules().items():
        if name.startswith("toolkit"):
            assert not knowing.search(path.read_text(encoding="utf-8")), name


@pytest.mark.parametrize(
    "name",
    [
        *("toolkit.colab", "toolkit.console", "toolkit.doctor", "toolkit.midi", "toolkit.plots"),
        *("labs.notebook", "labs.run", "labs.catalogue", "labs.update"),
        *("grading.watch", "grading.submit", "grading.bank", "grading.attacks"),
    ],
)
def test_a_short_name_finds_its_module_in_whatever_room_it_is(name):
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}).origin)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(ROOT), done.stderr


@pytest.mark.parametrize("command", ["grading.watch", "grading.classroom", "labs.run"])
def test_a_command_runs_by_its_short_name(command):
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def test_nobody_here_uses_two_names_for_one_module():
    for name in modules():
        text = modules()[name].read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            if module and module.split(".")[0] in ("toolkit", "labs", "grading"):
                assert module in modules(), f"{name} imports from {module}, a short name"
