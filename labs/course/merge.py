"""One module of two files: a student's, with some definitions of the solution."""

import ast
from collections.abc import Collection
from functools import lru_cache
from types import CodeType

from labs.course.definitions import DefinitionNode, bound_names, definitions, parsed, unwarned


@unwarned()
def merge(
    student: str,
    solution: str,
    names: Collection[str],
    filename: str = "tasks.py",
    solution_filename: str = "solution.py",
) -> CodeType:
    """Compile `student` with the definitions called `names` taken from `solution`.

    The result is one module, to be executed once: everything in it sees one set of names. The
    student's code keeps file and line numbers, the borrowed definitions keep the solution's. The
    solution's imports come first. What a borrowed definition needs and the student deleted (a
    given constant, a given function) comes back.

    Parameters
    ----------
    student, solution : str
        Source texts.
    names : collection of str
        Top-level definitions to take from `solution`; with none, this is the student's module.
    filename, solution_filename : str
        What tracebacks call the two files.

    Raises
    ------
    SyntaxError
        If either is not Python.
    KeyError
        If `solution` lacks one of `names`.
    """
    if not names:
        return _compiled(student, filename)
    own, given = parsed(student), parsed(solution)
    borrowed = {name: definitions(solution)[name].node for name in names}
    kept: list[ast.stmt] = []
    placed: set[str] = set()
    # From the end, because the last definition of a name is the one that counts.
    for node in reversed(own.body):
        bound = bound_names(node)
        if not bound or not bound <= set(names):
            kept.append(node)
        elif isinstance(node, DefinitionNode) and node.name not in placed:
            kept.append(borrowed[node.name])
            placed.add(node.name)
    body = kept[::-1] + [node for name, node in borrowed.items() if name not in placed]
    imports = [node for node in given.body if isinstance(node, ast.Import | ast.ImportFrom)]
    needed = _needed(list(borrowed.values()), given, imports + body)
    body = imports + needed + body
    body.sort(key=lambda node: not _is_future(node))
    code = compile(ast.Module(body, []), filename, "exec", dont_inherit=True)
    from_solution = {*names, *(name for node in needed for name in bound_names(node))}
    return code.replace(
        co_consts=tuple(
            _with_filename(constant, solution_filename)
            if isinstance(constant, CodeType) and constant.co_name in from_solution
            else constant
            for constant in code.co_consts
        )
    )


@lru_cache(maxsize=4)
@unwarned()
def _compiled(source: str, filename: str) -> CodeType:
    return compile(parsed(source), filename, "exec", dont_inherit=True)


def _needed(
    borrowed: list[DefinitionNode], given: ast.Module, present: list[ast.stmt]
) -> list[ast.stmt]:
    """Statements of `given` that `borrowed` needs, directly or not, and `present` lacks."""
    bound = {name for node in present for name in bound_names(node)}
    needed: list[ast.stmt] = []
    todo: list[ast.stmt] = list(borrowed)
    while todo:
        used = {inner.id for inner in ast.walk(todo.pop()) if isinstance(inner, ast.Name)}
        for node in given.body:
            if node not in needed and bound_names(node) & used - bound:
                needed.append(node)
                todo.append(node)
    return sorted(needed, key=given.body.index)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _with_filename(code: CodeType, filename: str) -> CodeType:
    """Give `code` and all code inside it another file name, for tracebacks."""
    inner = (
        _with_filename(constant, filename) if isinstance(constant, CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=tuple(inner))
