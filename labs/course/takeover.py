"""What a notebook defines, put into the lab file where it belongs."""

import ast
import builtins
import symtable
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from labs.course.definitions import (
    DefinitionNode,
    bound_names,
    first_line,
    is_import,
    is_stub,
    parsed,
    unwarned,
)


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
    imports = [number for number, one in enumerate(there) if is_import(one.node)]
    if is_import(new.node):
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
    for node in parsed(source).body:
        if isinstance(node, DefinitionNode):
            start, end = first_line(node), node.end_lineno or node.lineno
            text = "\n".join(lines[start - 1 : end])
        else:
            start, end = node.lineno, node.end_lineno or node.lineno
            # what `ast.get_source_segment` gives, which splits the whole text each time
            whole, last = "\n".join(lines[start - 1 : end]).encode(), lines[end - 1].encode()
            after = len(last) - (node.end_col_offset or len(last))
            text = whole[node.col_offset : len(whole) - after].decode()
        uses, needs = _names_used(text)
        binds = frozenset(bound_names(node))
        found.append(_Statement(node, text, start, end, binds, uses, needs))
    return tuple(found)


@lru_cache(maxsize=1024)
@unwarned()
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


def finished(source: str) -> set[str]:
    """The text of each top-level statement that binds a name, but for stubs and imports."""
    return {
        one.text
        for one in _outline(source)
        if one.binds
        and not is_import(one.node)
        and not (isinstance(one.node, DefinitionNode) and is_stub(one.node))
    }


def names_lacking(source: str) -> set[str]:
    """Names that a text uses and neither it nor Python defines."""
    there = _outline(source)
    bound = {name for statement in there for name in statement.binds}
    return {name for one in there for name in one.uses} - bound - set(dir(builtins))
