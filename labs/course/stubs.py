"""Stubs: made of a solution's text, and put back into a student's."""

import ast
import re
from collections.abc import Mapping

from labs.course.definitions import Definition, definitions
from toolkit.errors import EtudeError


def stubbed(source: str, task_ids: Mapping[str, str]) -> str:
    """Replace every solution block by a stub.

    A block lies between `# BEGIN SOLUTION` and `# END SOLUTION` in the body of a task, at one
    indentation, below the docstring; a class may hold several.

    Parameters
    ----------
    source : str
        The text of a solution file.
    task_ids : mapping of str to str
        Each task's id by the name of its definition: ``{"make_windows": "3.4"}``.

    Raises
    ------
    EtudeError
        If a marker stands alone, outside a task or at another indentation than its partner, if it
        is inside a docstring, or if a task has no block.
    """
    tasks = {name: found for name, found in definitions(source).items() if name in task_ids}
    lines = source.splitlines()
    result: list[str] = []
    done: set[str] = set()
    begin: int | None = None
    for number, line in enumerate(lines, 1):
        marker = line.strip()
        if marker == "# BEGIN SOLUTION":
            if begin is not None:
                raise EtudeError(f"line {number}: BEGIN SOLUTION inside the one of line {begin}")
            begin = number
        elif marker == "# END SOLUTION":
            if begin is None:
                raise EtudeError(f"line {number}: END SOLUTION without its BEGIN SOLUTION")
            task = _check_block(tasks, lines, begin, number)
            indent = line[: len(line) - len(line.lstrip())]
            result.append(f'{indent}raise NotImplementedError("{task_ids[task]}")')
            done.add(task)
            begin = None
        elif begin is None:
            result.append(line)
    if begin is not None:
        raise EtudeError(f"line {begin}: BEGIN SOLUTION without its END SOLUTION")
    if without := [name for name in task_ids if name not in done]:
        raise EtudeError(f"no solution block in task {without[0]}")
    return "\n".join(result) + "\n"


def _check_block(tasks: Mapping[str, Definition], lines: list[str], begin: int, end: int) -> str:
    """Return the task that the block of lines `begin` to `end` belongs to."""
    if lines[begin - 1].rstrip() != lines[end - 1].rstrip().replace("# END ", "# BEGIN "):
        raise EtudeError(f"lines {begin} and {end}: the markers differ in indentation")
    # Indented comments at the end belong to the task above them.
    task = next((found for found in reversed(list(tasks.values())) if found.line < begin), None)
    if task is None or any(line and not line[0].isspace() for line in lines[task.end_line : end]):
        raise EtudeError(f"line {begin}: BEGIN SOLUTION outside every task")
    inner = [node for node in ast.walk(task.node) if isinstance(node, ast.stmt)]
    if any(
        isinstance(node, ast.Expr) and node.lineno <= begin <= (node.end_lineno or 0)
        for node in inner
    ):
        raise EtudeError(f"line {begin}: BEGIN SOLUTION inside a docstring")
    column = len(lines[begin - 1]) - len(lines[begin - 1].lstrip())
    block = [node for node in inner if begin < node.lineno < end]
    if not block or block[0].col_offset != column:
        raise EtudeError(f"line {begin}: the block is empty or not at its markers' indentation")
    if isinstance(block[0], ast.Expr) and isinstance(block[0].value, ast.Constant):
        raise EtudeError(f"line {begin}: BEGIN SOLUTION around a docstring")
    return task.name


def replaced(source: str, name: str, text: str) -> str:
    """Put `text` in the place of the definition called `name`; every other line stays.

    It goes to the end if there is none. A file that is not Python is searched by its lines.
    """
    lines = source.splitlines()
    try:
        found = definitions(source).get(name)
        span = (found.line - 1, found.end_line) if found else None
    except SyntaxError:
        span = _span_by_lines(lines, name)
    if span is None:
        return f"{source.rstrip()}\n\n\n{text.strip()}\n" if source.strip() else text
    return "\n".join([*lines[: span[0]], *text.strip().splitlines(), *lines[span[1] :]]) + "\n"


def _span_by_lines(lines: list[str], name: str) -> tuple[int, int] | None:
    """Lines from `def name` to before the next line that opens something at the margin."""
    opening = re.compile(rf"(async\s+def|def|class)\s+{re.escape(name)}\b")
    starts = [number for number, line in enumerate(lines) if opening.match(line)]
    if not starts:
        return None
    end = starts[-1] + 1
    while end < len(lines) and not re.match(r"[@\w#]", lines[end]):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return starts[-1], end
