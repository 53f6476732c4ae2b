"""The definitions of a notebook's cells, taken out without running anything."""

import ast
import json
import re
from contextlib import suppress
from typing import Any, NamedTuple

from labs.course.definitions import (
    DefinitionNode,
    bound_names,
    first_line,
    is_import,
    loads,
    parsed,
    unwarned,
)
from toolkit.errors import EtudeError
from toolkit.plain import plain

# Cell magics whose cell is still Python.
_PYTHON_MAGICS = {"%%time", "%%timeit", "%%capture", "%%prun"}


_MAGIC_LINE = re.compile(r"\s*([%!?].*|[\w.]+\?{1,2}|\w+\s*=\s*[%!].*)$")


# What a generated notebook imports to grade and run, and no task needs.
_COURSE = {"labs", "grading"}


# What a constant may be made with; everything else that is called may run the lesson.
_PURE = set(
    re.findall(
        r"\w+",
        "abs bool bytes chr complex dict divmod enumerate filter float format frozenset int len "
        "list map max min ord pow range reversed round set slice sorted str sum tuple type zip "
        "True False None Ellipsis __name__",
    )
)


class Taken(NamedTuple):
    """What was taken out of a notebook, and what was not.

    Attributes
    ----------
    source
        Python, each cell under a line `# cell [7]`: the number that Jupyter shows beside a cell
        that was run. A cell that was not run is counted from 1 over all cells: `# cell 7`.
    broken
        Cells that are not Python, with the reason.
    lacking
        Names that `source` uses and only a cell that runs something would make.
    """

    source: str
    broken: dict[str, str]
    lacking: list[str]


def notebook_source(text: str) -> Taken:
    """Take a notebook's definitions out of it by its syntax tree; nothing runs, no output is read.

    Kept are imports, constants, functions and classes. What runs something (training, magics,
    checks, prints) becomes empty lines, so that line numbers within a cell hold.

    Parameters
    ----------
    text : str
        The notebook's JSON, nbformat 4.

    Raises
    ------
    EtudeError
        If `text` is not such a notebook.
    """
    try:
        cells = json.loads(text)["cells"]
        sources = [
            (_label(cell, number), "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EtudeError(
            "is not a Jupyter notebook of format 4: save it again in Jupyter"
        ) from None
    result: list[str] = []
    broken: dict[str, str] = {}
    kept: set[str] = set()
    left_out: set[str] = set()
    for label, source in sources:
        try:
            lines = _cell_definitions(source.replace("\r\n", "\n"), kept, left_out)
        except (SyntaxError, ValueError, RecursionError) as error:
            place = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            broken[label] = place + plain(getattr(error, "msg", None) or str(error))
            continue
        if any(lines):
            result += [f"# cell {label}", *lines, ""]
    definitions_only = "\n".join(result)
    return Taken(definitions_only, broken, _lacking(definitions_only, left_out - kept))


def _label(cell: dict[str, Any], number: int) -> str:
    """What a cell is called: by the number that Jupyter shows if it was run, else by its place."""
    count = cell.get("execution_count")
    return f"[{count}]" if type(count) is int and 0 < count < 1_000_000 else str(number)


def _lacking(source: str, left_out: set[str]) -> list[str]:
    """Those of the names `left_out` that a definition in `source` takes from its module."""
    used: set[str] = set()
    with suppress(SyntaxError, ValueError, RecursionError):
        last = {name: node for node in parsed(source).body for name in bound_names(node)}
        for node in last.values() if left_out else ():
            inner = list(ast.walk(node))
            own = {name.id for name in inner if isinstance(name, ast.Name) and not loads(name)}
            own |= {argument.arg for argument in inner if isinstance(argument, ast.arg)}
            used |= {name.id for name in inner if isinstance(name, ast.Name)} - own
    return sorted(left_out & used)


def _cell_definitions(source: str, kept: set[str], left_out: set[str]) -> list[str]:
    """A cell's lines with all that runs something blanked; its names go to `kept` or `left_out`."""
    source, tree = _cell(source)
    lines = source.split("\n")
    result = [""] * len(lines)
    for node in tree.body:
        if not _defines(node, kept):
            left_out |= bound_names(node)
            continue
        kept |= bound_names(node)
        start = first_line(node) if isinstance(node, DefinitionNode) else node.lineno
        end = node.end_lineno or start
        piece = "\n".join(lines[start - 1 : end])
        # A line that several statements share is written out again, without the others.
        shared = sum(
            other.lineno <= end and (other.end_lineno or 0) >= start for other in tree.body
        )
        if shared > 1:
            result[start - 1] = "; ".join(filter(None, [result[start - 1], ast.unparse(node)]))
        else:
            result[start - 1 : end] = piece.split("\n")
    return result


@unwarned()
def _cell(source: str) -> tuple[str, ast.Module]:
    """A cell's text without magics, line by line, and its tree."""
    first = source.split(maxsplit=1)[0] if source.strip() else ""
    if first.startswith("%%"):
        if first not in _PYTHON_MAGICS:
            return "", ast.Module([], [])
        source = re.sub(r"\S[^\n]*", "", source, count=1)
    try:
        tree = ast.parse(source)
    except SyntaxError:
        source = "\n".join("" if _MAGIC_LINE.match(line) else line for line in source.split("\n"))
        tree = ast.parse(source)
    return source, tree


def names_bound(cell: str) -> set[str] | None:
    """Names that a notebook's cell binds, whatever it runs; None if it is not Python."""
    try:
        _, tree = _cell(cell)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return {name for node in tree.body for name in bound_names(node)}


def _defines(node: ast.stmt, kept: set[str]) -> bool:
    """Whether a notebook's top-level statement is an import, a definition or a constant."""
    if is_import(node) and all(name.split(".")[0] in _COURSE for name in _modules(node)):
        return False
    if isinstance(node, DefinitionNode | ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
        return False
    inner = list(ast.walk(node.value))
    own = {name.id for name in inner if isinstance(name, ast.Name) and not loads(name)}
    used = {name.id for name in inner if isinstance(name, ast.Name) and loads(name)} - own
    if not used <= kept | _PURE:
        return False
    calls = [call for call in inner if isinstance(call, ast.Call)]
    constant = all(name.isupper() for name in bound_names(node))
    return not calls or (constant and all(_is_pure(call.func) for call in calls))


def _modules(node: ast.stmt) -> list[str]:
    """Names of the modules that a statement imports or imports from."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _is_pure(called: ast.expr) -> bool:
    """Whether calling this makes a value at most: a built-in, a module's function, a method."""
    return isinstance(called, ast.Attribute) or (
        isinstance(called, ast.Name) and called.id in _PURE
    )
