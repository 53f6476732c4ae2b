"""Student code as a syntax tree: what is written, what is still a stub, and mixtures of two files.

A lab file is flat: imports, constants, then functions and classes. Everything here works on whole
top-level definitions and runs none of them.
"""

import ast
import builtins
import json
import re
import stat
import symtable
import threading
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import few, plain, printable

MAX_BYTES = 1_000_000

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


@dataclass(frozen=True)
class Submission:
    """Source text that was handed in, with what its reader should be told.

    `source` of a notebook is its definitions, each cell under a line `# cell 7`.
    """

    path: Path
    source: str
    notes: tuple[str, ...] = ()

    def place(self, line: int) -> str:
        """Name a line of `source` as its author knows it: `tasks.py:12` or a cell's line."""
        if self.path.suffix != ".ipynb":
            return f"{shown(self.path)}:{line}"
        lines = self.source.splitlines()[:line]
        for back, text in enumerate(reversed(lines)):
            if cell := re.fullmatch(r"# cell (\d+)", text):
                return f"{shown(self.path)}, cell {cell[1]}, line {back}"
        return shown(self.path)


# What is written


def definitions(source: str) -> dict[str, Definition]:
    """Top-level functions and classes by name; of two with one name the later counts.

    Raises
    ------
    SyntaxError
        If `source` is not Python.
    """
    return dict(_definitions(source))


_filters = threading.RLock()  # those of warnings are the process's: one thread changes them


@contextmanager
def _unwarned() -> Iterator[None]:
    """Read a text without what Python warns of in it: a line of a stranger's could hold one each.

    Where warnings are errors, they would make a text that runs no Python.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=4)
@_unwarned()
def _parsed(source: str) -> ast.Module:
    """The tree of a text, which is asked for several times in a row; nobody changes it."""
    return ast.parse(source)


@lru_cache(maxsize=4)
@_unwarned()
def _compiled(source: str, filename: str) -> CodeType:
    return compile(_parsed(source), filename, "exec", dont_inherit=True)


@lru_cache(maxsize=4)
def _definitions(source: str) -> dict[str, Definition]:
    return {
        node.name: Definition(
            node.name, node, _first_line(node), node.end_lineno or node.lineno, is_stub(node)
        )
        for node in _parsed(source).body
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


def unfinished(source: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that `source` leaves as a stub or does not define."""
    written = definitions(source)
    bound = {name for node in _parsed(source).body for name in _bound_names(node)}
    return [
        name for name in names if (written[name].stub if name in written else name not in bound)
    ]


def missing(source: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that `source` does not define at all: deleted or renamed."""
    bound = {name for node in _parsed(source).body for name in _bound_names(node)}
    return [name for name in names if name not in bound]


class Flaw(NamedTuple):
    """Where and why a text is not Python; no line if that is not known."""

    line: int | None
    reason: str


def flaw(source: str) -> Flaw | None:
    """Find where and why `source` is not Python; None if it is."""
    try:
        merge(source, "", ())
    except SyntaxError as error:
        return Flaw(error.lineno or 1, plain(error.msg))
    except MemoryError:
        return Flaw(None, "Python needs too much memory to compile it")
    except (ValueError, RecursionError, OverflowError) as error:
        return Flaw(None, plain(str(error)) or type(error).__name__)
    return None


def syntax_error(submission: Submission, found: Flaw | None = None) -> str | None:
    """Say where and why `submission` is not Python, or None if it is.

    Parameters
    ----------
    found : Flaw, optional
        What was found out already.
    """
    if not (found := found or flaw(submission.source)):
        return None
    place = submission.place(found.line) if found.line else shown(submission.path)
    return f"{place}: {found.reason}"


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


def _first_line(node: DefinitionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _bound_names(node: ast.stmt) -> set[str]:
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
    stored = {inner.id for inner in inside if isinstance(inner, ast.Name) and not _loads(inner)}
    return stored | {inner.name for inner in inside if isinstance(inner, DefinitionNode)}


# Stubs


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


# Taking over


@dataclass(frozen=True)
class _Statement:
    """A top-level statement: its text and lines, what it binds, uses, and needs when it runs."""

    node: ast.stmt
    text: str
    start: int
    end: int
    binds: frozenset[str]
    uses: frozenset[str]
    needs: frozenset[str]


def taken_over(text: str, source: str, names: Collection[str]) -> str:
    """Put what `source` defines into `text`: its last finished version of each definition.

    What both define is replaced where it stands. What `text` then uses and lacks (a helper, a base
    class, a constant) comes above its first use and below what it needs itself; an import comes
    below the imports. What nobody uses stays out.

    Parameters
    ----------
    text, source : str
        Python: the file, and what was written elsewhere.
    names : collection of str
        Definitions that belong into `text` whether something uses them or not.

    Raises
    ------
    SyntaxError
        If either is not Python.
    """
    last: dict[frozenset[str], _Statement] = {}
    for statement in _outline(source):
        node, binds = statement.node, statement.binds
        if not binds or isinstance(node, ast.AugAssign) or binds & statement.needs:
            continue
        if not (isinstance(node, DefinitionNode) and is_stub(node)):
            last = {other: older for other, older in last.items() if not other <= binds}
            last[binds] = statement
    for one in reversed(_outline(text)):  # of names bound together, one that was bound alone
        if one.binds and any(one.binds < binds for binds in last) and one.binds not in last:
            lines = text.split("\n")
            text = "\n".join(lines[: one.start - 1] + lines[one.end :])
    for _ in last:  # a helper may bring another helper
        before = text
        for statement in reversed(last.values()):
            text = _with(text, statement, names)
        if text == before:
            break
    return text


def _with(text: str, new: _Statement, names: Collection[str]) -> str:
    """Put one statement into `text`."""
    lines, there = text.split("\n"), _outline(text)
    imports = [number for number, one in enumerate(there) if _is_import(one.node)]
    if _is_import(new.node):
        bound = {name for one in there for name in one.binds}
        if not any(one.uses & new.binds - bound for one in there):
            return text
        block = next((number for number in imports if number + 1 not in imports), None)
        return _inserted(lines, new.text, 0 if block is None else there[block].end, 0)
    same = [n for n, one in enumerate(there) if one.binds == new.binds and n not in imports]
    old = same[-1] if same else None
    others = [(number, one) for number, one in enumerate(there) if number != old]
    below = max((number for number, one in others if one.binds & new.needs), default=-1)
    users = [number for number, one in others if one.uses & new.binds]
    if old is not None:
        one = there[old]
        early = any(number < old for number, other in others if other.needs & new.binds)
        late = below > old and not isinstance(new.node, DefinitionNode)
        kept = lines[: one.start - 1] + lines[one.end :]
        shared = [
            other.text for _, other in others if other.start <= one.end and one.start <= other.end
        ]
        if shared:
            return _inserted(kept, "\n".join([*shared, new.text]), one.start - 1, 0)
        if early or late:
            return _with("\n".join(kept), new, names)
        return _inserted(kept, new.text, one.start - 1, 0)
    partly = [number for number, one in others if one.binds & new.binds]
    if users or partly or new.binds & set(names):
        place = max([users[0] if users else len(there), below + 1, *(n + 1 for n in partly)])
        above = there[place].start - 1 if place < len(there) else None
        return _inserted(lines, new.text, above, 2)
    return text


def _inserted(lines: list[str], piece: str, place: int | None, blank: int) -> str:
    """Put `piece` above a line and `blank` lines between, or at the end."""
    if place is None:
        return "\n".join(lines).rstrip() + f"\n\n\n{piece}\n"
    return "\n".join([*lines[:place], *piece.split("\n"), *[""] * blank, *lines[place:]])


@lru_cache(maxsize=8)
def _outline(source: str) -> tuple[_Statement, ...]:
    """The top-level statements of a text."""
    lines = source.split("\n")
    found = []
    for node in _parsed(source).body:
        if isinstance(node, DefinitionNode):
            start, end = _first_line(node), node.end_lineno or node.lineno
            text = "\n".join(lines[start - 1 : end])
        else:
            start, end = node.lineno, node.end_lineno or node.lineno
            # what `ast.get_source_segment` gives, which splits the whole text each time
            whole, last = "\n".join(lines[start - 1 : end]).encode(), lines[end - 1].encode()
            after = len(last) - (node.end_col_offset or len(last))
            text = whole[node.col_offset : len(whole) - after].decode()
        uses, needs = _names_used(text)
        binds = frozenset(_bound_names(node))
        found.append(_Statement(node, text, start, end, binds, uses, needs))
    return tuple(found)


@lru_cache(maxsize=1024)
@_unwarned()
def _names_used(statement: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a top-level statement takes from its module: all, and those when it is run."""
    uses: set[str] = set()
    needs: set[str] = set()

    def visit(table: symtable.SymbolTable, runs: bool) -> None:
        found = {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global())
        }
        uses.update(found)
        if runs:
            needs.update(found)
        for inner in table.get_children():
            at_once = inner.get_type() == "class" or inner.get_name() in _COMPREHENSIONS
            visit(inner, runs and at_once)

    visit(symtable.symtable(statement, "<statement>", "exec"), True)
    return frozenset(uses), frozenset(needs)


_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def finished(source: str) -> set[str]:
    """The text of each top-level statement that binds a name, but for stubs and imports."""
    return {
        one.text
        for one in _outline(source)
        if one.binds
        and not _is_import(one.node)
        and not (isinstance(one.node, DefinitionNode) and is_stub(one.node))
    }


def names_lacking(source: str) -> set[str]:
    """Names that a text uses and neither it nor Python defines."""
    there = _outline(source)
    bound = {name for statement in there for name in statement.binds}
    return {name for one in there for name in one.uses} - bound - set(dir(builtins))


# Mixtures


@_unwarned()
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
    own, given = _parsed(student), _parsed(solution)
    borrowed = {name: definitions(solution)[name].node for name in names}
    kept: list[ast.stmt] = []
    placed: set[str] = set()
    # From the end, because the last definition of a name is the one that counts.
    for node in reversed(own.body):
        bound = _bound_names(node)
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
    from_solution = {*names, *(name for node in needed for name in _bound_names(node))}
    return code.replace(
        co_consts=tuple(
            _with_filename(constant, solution_filename)
            if isinstance(constant, CodeType) and constant.co_name in from_solution
            else constant
            for constant in code.co_consts
        )
    )


def _needed(
    borrowed: list[DefinitionNode], given: ast.Module, present: list[ast.stmt]
) -> list[ast.stmt]:
    """Statements of `given` that `borrowed` needs, directly or not, and `present` lacks."""
    bound = {name for node in present for name in _bound_names(node)}
    needed: list[ast.stmt] = []
    todo: list[ast.stmt] = list(borrowed)
    while todo:
        used = {inner.id for inner in ast.walk(todo.pop()) if isinstance(inner, ast.Name)}
        for node in given.body:
            if node not in needed and _bound_names(node) & used - bound:
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


# Files


def read_submission(path: Path | str) -> Submission:
    """Read a `.py` file, or the definitions of an `.ipynb`, without running anything.

    A syntax error is left in the text of a `.py` file: see `syntax_error`.

    Raises
    ------
    EtudeError
        If `path` is missing, not an ordinary file, over 1 MB, not UTF-8, not `.py` or `.ipynb`, or
        not a notebook.
    """
    path = Path(path)
    name = shown(path) if not path.is_symlink() else printable(str(path))
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        raise EtudeError(f"there is no file {name}") from None
    if stat.S_ISLNK(mode):
        raise EtudeError(f"{name} is a link: hand in the file itself")
    if stat.S_ISDIR(mode):
        raise EtudeError(f"{name} is a folder: name the .py or .ipynb file in it")
    if not stat.S_ISREG(mode):
        raise EtudeError(f"{name} is not an ordinary file")
    if path.suffix not in (".py", ".ipynb"):
        raise EtudeError(f"{name} is neither a .py file nor an .ipynb notebook")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EtudeError(f"{name} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        advice = ": clear its outputs and save it again" if path.suffix == ".ipynb" else ""
        raise EtudeError(f"{name} is over {MAX_BYTES // 1_000_000} MB{advice}")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise EtudeError(f"{name}:{line} is not UTF-8 text: save the file as UTF-8") from None
    if path.suffix == ".py":
        return Submission(path, text)
    try:
        source, broken = notebook_source(text)
    except EtudeError as error:
        raise EtudeError(f"{name} {error}") from None
    notes = (f"{name}, cell {cell} is left out: {why}" for cell, why in broken.items())
    return Submission(path, source, few(notes, len(broken)))


# Notebooks

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


def notebook_source(text: str) -> tuple[str, dict[int, str]]:
    """Take a notebook's definitions out of it by its syntax tree; nothing runs, no output is read.

    Kept are imports, constants, functions and classes. What runs something (training, magics,
    checks, prints) becomes empty lines, so that line numbers within a cell hold.

    Parameters
    ----------
    text : str
        The notebook's JSON, nbformat 4.

    Returns
    -------
    source : str
        Python, each cell under a line `# cell 7`, counted from 1 over all cells.
    broken : dict of int to str
        Cells that are not Python, with the reason.

    Raises
    ------
    EtudeError
        If `text` is not such a notebook.
    """
    try:
        cells = json.loads(text)["cells"]
        sources = [
            "".join(cell["source"]) if cell["cell_type"] == "code" else None for cell in cells
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EtudeError(
            "is not a Jupyter notebook of format 4: save it again in Jupyter"
        ) from None
    result: list[str] = []
    broken: dict[int, str] = {}
    kept: set[str] = set()
    for number, source in enumerate(sources, 1):
        if source is None:
            continue
        try:
            lines = _cell_definitions(source.replace("\r\n", "\n"), kept)
        except (SyntaxError, ValueError, RecursionError) as error:
            place = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            broken[number] = place + plain(getattr(error, "msg", None) or str(error))
            continue
        if any(lines):
            result += [f"# cell {number}", *lines, ""]
    return "\n".join(result), broken


def _cell_definitions(source: str, kept: set[str]) -> list[str]:
    """Return a cell's lines with all that runs something blanked; add its names to `kept`."""
    source, tree = _cell(source)
    lines = source.split("\n")
    result = [""] * len(lines)
    for node in tree.body:
        if not _defines(node, kept):
            continue
        kept |= _bound_names(node)
        start = _first_line(node) if isinstance(node, DefinitionNode) else node.lineno
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


@_unwarned()
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


def names_bound(cell: str) -> set[str]:
    """Names that a notebook's cell binds, whatever it runs; none if it is not Python."""
    try:
        _, tree = _cell(cell)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    return {name for node in tree.body for name in _bound_names(node)}


def _defines(node: ast.stmt, kept: set[str]) -> bool:
    """Whether a notebook's top-level statement is an import, a definition or a constant."""
    if _is_import(node) and all(name.split(".")[0] in _COURSE for name in _modules(node)):
        return False
    if isinstance(node, DefinitionNode | ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
        return False
    inner = list(ast.walk(node.value))
    own = {name.id for name in inner if isinstance(name, ast.Name) and not _loads(name)}
    used = {name.id for name in inner if isinstance(name, ast.Name) and _loads(name)} - own
    if not used <= kept | _PURE:
        return False
    calls = [call for call in inner if isinstance(call, ast.Call)]
    constant = all(name.isupper() for name in _bound_names(node))
    return not calls or (constant and all(_is_pure(call.func) for call in calls))


def _modules(node: ast.stmt) -> list[str]:
    """Names of the modules that a statement imports or imports from."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _loads(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _is_pure(called: ast.expr) -> bool:
    """Whether calling this makes a value at most: a built-in, a module's function, a method."""
    return isinstance(called, ast.Attribute) or (
        isinstance(called, ast.Name) and called.id in _PURE
    )
