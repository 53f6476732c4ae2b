"""What a lab file defines, read from its syntax tree; nothing of it runs.

A lab file is flat: imports, constants, then functions and classes. Everything here works on whole
top-level definitions.
"""

import ast
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


TASK_ID = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Definition:
    """One top-level function or class: where it stands and whether it is finished."""

    name: str
    node: DefinitionNode = field(repr=False)
    line: int
    end_line: int
    stub: bool


_filters = threading.RLock()  # those of warnings are the process's: one thread changes them


@contextmanager
def unwarned() -> Iterator[None]:
    """Read a text without what Python warns of in it: a line of a stranger's could hold one each.

    Where warnings are errors, they would make a text that runs no Python.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=4)
@unwarned()
def parsed(source: str) -> ast.Module:
    """The tree of a text, which is asked for several times in a row; nobody changes it."""
    return ast.parse(source)


def definitions(source: str) -> dict[str, Definition]:
    """Top-level functions and classes by name; of two with one name the later counts.

    Raises
    ------
    SyntaxError
        If `source` is not Python.
    """
    return dict(_definitions(source))


@lru_cache(maxsize=4)
def _definitions(source: str) -> dict[str, Definition]:
    return {
        node.name: Definition(
            node.name, node, first_line(node), node.end_lineno or node.lineno, is_stub(node)
        )
        for node in parsed(source).body
        if isinstance(node, DefinitionNode)
    }


def is_stub(node: DefinitionNode) -> bool:
    """Whether a definition is unfinished.

    It is if `raise NotImplementedError("3.4")` is left anywhere inside, or if its body after the
    docstring starts by raising any NotImplementedError.
    """
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if body and isinstance(body[0], ast.Raise) and _raises_not_implemented(body[0]):
        return True
    return any(
        isinstance(inner, ast.Raise)
        and _raises_not_implemented(inner)
        and isinstance(inner.exc, ast.Call)
        and any(
            isinstance(argument, ast.Constant) and TASK_ID.fullmatch(str(argument.value))
            for argument in inner.exc.args
        )
        for inner in _statements(node)
    )


def in_words(node: ast.stmt, source: str) -> str:
    """A statement's tree as text: comments and layout make no difference.

    It is the statement's own text if the tree is too deep or holds too long a number.
    """
    try:
        return ast.dump(node)
    except (RecursionError, ValueError):
        return ast.get_source_segment(source, node) or ""


def unfinished(source: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that `source` leaves as a stub or does not define."""
    written = definitions(source)
    bound = {name for node in parsed(source).body for name in bound_names(node)}
    return [
        name for name in names if (written[name].stub if name in written else name not in bound)
    ]


def missing(source: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that `source` does not define at all: deleted or renamed."""
    bound = {name for node in parsed(source).body for name in bound_names(node)}
    return [name for name in names if name not in bound]


def _raises_not_implemented(node: ast.Raise) -> bool:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(error, ast.Name) and error.id == "NotImplementedError"


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through a statement and those inside it; expressions hold none and are passed by."""
    todo = [node]
    while todo:
        yield (inner := todo.pop())
        for part in ("body", "handlers", "cases", "orelse", "finalbody"):
            todo += getattr(inner, part, [])


def first_line(node: DefinitionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement binds."""
    if isinstance(node, DefinitionNode):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        parts: list[ast.AST] = [*node.targets]
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        parts = [node.target]
    else:
        parts = [node]
    inside = [inner for part in parts for inner in ast.walk(part)]
    stored = {inner.id for inner in inside if isinstance(inner, ast.Name) and not loads(inner)}
    return stored | {inner.name for inner in inside if isinstance(inner, DefinitionNode)}


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def loads(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)
