"""The checks are graded: small automatic changes of each solution must lose points on their task.

`python -m grading.mutants --lab 3 [--seed 1] [--per-task 8] [--only 3.4]` lists those that did not.
Each is killed by a check, or recorded in `grading/labN/bank/equivalent.toml` with the reason why it
is right, too: by its task and the lines that it changes, so that other edits do not matter.
"""

import argparse
import ast
import copy
import difflib
import random
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from grading.core.collect import CheckTest, chosen, collect
from grading.core.run import run_checks
from grading.core.session import Session
from grading.proofs.bank import ROUNDING, grader_errors, lost
from labs.course.catalogue import Lab, Task, load_lab
from labs.course.definitions import DefinitionNode, definitions
from labs.course.stubs import replaced
from toolkit.console import progress, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

CPU_SECONDS = 15  # of a check, unless it says otherwise: a loop without end is found in that

OTHERS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
FREE = ("name", "strict")  # keywords that a right answer may leave out
# functions whose arguments may change places
SYMMETRIC = {"add", "equal", "logical_and", "logical_or", "max", "maximum", "min", "minimum"}
SYMMETRIC |= {"multiply", "not_equal"}
Edit = Callable[..., None]  # changes a node in place


@dataclass(frozen=True)
class Mutant:
    """One small change of a task's solution."""

    lab: Lab
    task: Task
    before: str
    after: str

    @property
    def change(self) -> str:
        """The lines that differ, without their indentation: how `equivalent.toml` knows it."""
        lines = list(difflib.ndiff(self.before.splitlines(), self.after.splitlines()))
        return "\n".join(
            f"{sign} {line[2:].strip()}" for sign in "-+" for line in lines if line[0] == sign
        )

    @property
    def difference(self) -> str:
        """What changed and where, as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), self.task.id, "changed", "", "", 2
        )
        return "\n".join(line.rstrip("\n") for line in lines)

    def survives(self, checks: list[CheckTest]) -> bool:
        """Grade it until a check fails.

        Raises
        ------
        EtudeError
            If a check breaks in the grader: that is never a submission's doing.
        """
        solution = self.lab.solution_file.read_text(encoding="utf-8")
        own = [
            (replace(check, cpu=check.cpu or CPU_SECONDS), test)
            for check, test in chosen(checks, [self.task.id], public=False)
        ]
        with tempfile.TemporaryDirectory(prefix="etude-mutant-") as folder:
            path = Path(folder) / "tasks.py"
            path.write_text(replaced(solution, self.task.name, self.after), encoding="utf-8")
            session = Session(self.lab, str(path), [check for check, _ in own], accept_open=True)
            try:
                for one in own:
                    run_checks(session, [one])
                    if errors := grader_errors(session.result.tasks):
                        told = f"the grader's own error in {errors[0]}:\n{self.difference}"
                        raise EtudeError(told)
                    if lost(session.result.task(self.task.id)) > ROUNDING:
                        return False
            finally:
                session.close()
        return True


def edits(node: ast.AST) -> Iterator[Edit]:
    """Every small change of one node that leaves Python behind."""
    if isinstance(node, ast.Compare):
        for place, op in enumerate(node.ops):
            yield lambda it, place=place, op=op: it.ops.__setitem__(place, OTHERS[type(op)]())
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OTHERS:
        yield lambda it: setattr(it, "op", OTHERS[type(it.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        if isinstance(node.operand, ast.Constant):  # the axis 1 is often −1
            return
        yield lambda it: setattr(it, "op", ast.UAdd())
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        yield lambda it: setattr(it, "value", another(it.value))
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield lambda it: setattr(it, "test", ast.UnaryOp(ast.Not(), it.test))
    elif isinstance(node, ast.Call):
        for place, keyword in enumerate(node.keywords):
            if keyword.arg not in FREE:
                yield lambda it, place=place: it.keywords.pop(place)
        called = ast.unparse(node.func).rpartition(".")[2]
        starred = any(isinstance(arg, ast.Starred) for arg in node.args[:2])
        if len(node.args) > 1 and not starred and called not in SYMMETRIC:
            yield lambda it: it.args.__setitem__(slice(2), it.args[1::-1])


DROPPED = ast.AugAssign | ast.Break | ast.Continue | ast.Expr | ast.For | ast.If


def drops(node: ast.AST, written: set[int]) -> Iterator[Edit]:
    """Every statement right inside a node left out, if a student writes it."""
    for part in ("body", "orelse"):
        found = getattr(node, part, None)
        statements = found if isinstance(found, list) else []
        for place, one in enumerate(statements):
            says = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
            if isinstance(one, DROPPED) and one.lineno in written and not says:
                rest = [*statements[:place], ast.Pass(), *statements[place + 1 :]]
                yield lambda it, part=part, rest=rest: setattr(it, part, rest)


def another(value: float) -> float:
    """A number, or a truth value, that is not this one."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) or value == 0 else 2 * value


def students(node: DefinitionNode, lines: list[str]) -> set[int]:
    """Numbers of the lines that a student writes: those between the marks of a solution."""
    inside, found = False, set()
    for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
        if lines[number - 1].strip() in ("# BEGIN SOLUTION", "# END SOLUTION"):
            inside = "BEGIN" in lines[number - 1]
        elif inside:
            found.add(number)
    return found


def mutants(lab: Lab, task: Task) -> list[Mutant]:
    """All small changes of a task's solution; messages of errors and annotations stay."""
    source = lab.solution_file.read_text(encoding="utf-8")
    node = definitions(source)[task.name].node
    written, before = students(node, source.splitlines()), ast.unparse(node)
    apart = [
        part
        for outer in ast.walk(node)
        for part in (getattr(outer, "annotation", None), outer)
        if part is not None and (part is not outer or isinstance(outer, ast.Raise))
    ]
    untouched = {id(inner) for part in apart for inner in ast.walk(part)}
    found: dict[str, Mutant] = {}
    for number, inner in enumerate(ast.walk(node)):
        possible = list(drops(inner, written))
        if getattr(inner, "lineno", 0) in written and id(inner) not in untouched:
            possible += edits(inner)
        for edit in possible:
            changed = copy.deepcopy(node)
            edit(next(other for place, other in enumerate(ast.walk(changed)) if place == number))
            after = ast.unparse(ast.fix_missing_locations(changed))
            if after != before:
                found[after] = Mutant(lab, task, before, after)
    return list(found.values())


def sample(lab: Lab, task: Task, seed: int, most: int) -> list[Mutant]:
    """Some of a task's mutants, always the same ones for a seed."""
    found = mutants(lab, task)
    return random.Random(f"{seed}:{task.id}").sample(found, min(most, len(found)))


def equivalent(lab: Lab) -> dict[tuple[str, str], str]:
    """Why changes that are known to be right are: by the task's id and the changed lines."""
    path = ROOT / "grading" / f"lab{lab.number}" / "bank" / "equivalent.toml"
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {(one["task"], one["change"].strip()): one["why"] for one in known.get("mutant", [])}


def survivors(lab: Lab, chosen_mutants: list[Mutant]) -> list[Mutant]:
    """Those that lose no points and are not known to be right."""
    known, checks, left = equivalent(lab), collect(lab), []
    with progress("grading small changes", len(chosen_mutants)) as advance:
        for mutant in chosen_mutants:
            if (mutant.task.id, mutant.change) not in known and mutant.survives(checks):
                left.append(mutant)
            advance()
    return left


def main() -> int:
    """List the survivors; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m grading.mutants", description=__doc__)
    parser.add_argument("--lab", default="3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-task", type=int, default=8)
    parser.add_argument("--only", nargs="+", metavar="TASK", help="3.4")
    options = parser.parse_args()
    lab = load_lab(options.lab)
    tasks = [task for task in lab.tasks if not options.only or task.id in options.only]
    if not tasks:
        raise EtudeError(f"lab {lab.number} has no task {' '.join(options.only)}")
    drawn = [one for task in tasks for one in sample(lab, task, options.seed, options.per_task)]
    left = survivors(lab, drawn)
    for mutant in left:
        say(mutant.difference)
    say(f"{len(drawn)} changes, {len(left)} lose no points")
    return 1 if left else 0


if __name__ == "__main__":
    run_command(main)
