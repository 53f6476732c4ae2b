"""Which files of the grader others need: what a handout or a zip must hold, what points hang on."""

import ast
from pathlib import Path

from toolkit.paths import ROOT


def with_imports(names: list[str]) -> list[str]:
    """Add the modules of `grading` that these files import, directly or not.

    Names are paths from the repository's root; those of files that are not there are left out.
    """
    found: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found or not (ROOT / name).is_file():
            continue
        found.append(name)
        todo += [f"{folder}/__init__.py" for folder in Path(name).parents if folder.parts]
        if not (name.startswith("grading/") and name.endswith(".py")):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grading"):
                place = (node.module or "").replace(".", "/")
                todo += [f"{place}.py", *(f"{place}/{alias.name}.py" for alias in node.names)]
    return found
