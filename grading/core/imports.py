"""Which files others need: what a handout or a zip must hold, what points and proofs hang on."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from toolkit.paths import ROOT


def with_imports(names: Iterable[str], packages: tuple[str, ...] = ("grading",)) -> list[str]:
    """Add the modules of some packages that these files import, directly or not.

    Names are paths from the repository's root; those of files that are not there are left out.
    """
    found: dict[str, None] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found or not (ROOT / name).is_file():
            continue
        found[name] = None
        todo += [f"{folder}/__init__.py" for folder in Path(name).parents if folder.parts]
        if name.endswith(".py") and name.split("/")[0] in packages:
            for module in imported(ROOT / name):
                if module.split(".")[0] in packages:
                    place = module.replace(".", "/")
                    todo += [f"{place}.py", f"{place}/__init__.py"]
                elif "tests" in packages:  # a test's own helpers stand beside it
                    todo.append(f"tests/{module}.py")
    return list(found)


@cache
def imported(path: Path) -> frozenset[str]:
    """The dotted names in a file's imports; of `from a import b`, `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)
