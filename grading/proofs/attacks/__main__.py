"""Grade every attack and say which are contained: `python -m grading.attacks`.

`--without calls` leaves a layer of the lock off; attacks that would then strike this machine stay
harmless by themselves. `--table` runs all configurations that this machine has and writes
docs/containment.md, and what each attack got through with benchmarks/results/containment.json.
"""

import argparse
import ast
import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from grading.core.collect import collect, with_its_fixtures
from grading.core.passes import run_check
from grading.core.results import LabResult
from grading.core.session import Session
from grading.proofs.attacks.handed import HANDED
from grading.proofs.attacks.stage import Stage
from grading.sandbox.failures import REASONS, CheckFailed
from grading.sandbox.isolation import unused_uid
from grading.sandbox.proxy import Code
from grading.sandbox.worker.lock import CALLS, FILES, LAYERS, USER
from grading.sandbox.workers import Zygote
from labs.course.catalogue import Lab, load_lab
from toolkit.console import progress, run_command, say, table
from toolkit.errors import EtudeError
from toolkit.paths import ROOT
from toolkit.plain import MESSAGE, plain

CONTAINED = """\
Contained means: no points for what it touches and all points elsewhere, a complete report without
anything of the attacker's in it, and nothing left: no process, file, memory or connection. An
attack that succeeds answers rightly, and its points betray it, or it reads what it must not: words
in the solution, in a hidden check's inputs and in the secret are looked for in every message."""
REMAINS = """\
## What two workers of one machine still share

Not denied, because nothing can be or because libraries need it: time (who measures it sees whether
a page of a file is in memory already, and how busy the processor is), how much memory and disk is
free, the numbers that processes get, and, on a disk that is mounted with `relatime`, when a file
was first read that day: mount it with `noatime` where that matters. No worker that holds borrowed
code lives when another of the same submission does; two submissions that are graded at once can
tell each other what can be told by time.

Denied by seccomp: locks and leases on files, advice on what the kernel keeps of a file in memory
and reads that return only what is there, counts of page faults, asynchronous reads, notices of
changes, memory and queues with names; by Landlock: all of `/proc` and `/sys` but a few files that
count nothing of others."""
GROUPS = Path(__file__).with_name("groups")
NAME = re.compile(r"^# %% (\w+)\n", re.MULTILINE)  # above each attack of a group's file
TABLE = ROOT / "docs" / "containment.md"
FIGURES = ROOT / "benchmarks" / "results" / "containment.json"
CONTROL = ("3.3", "3.4")  # graded in every attack
HIDDEN = ("3.3", True)  # the checks whose inputs hold a word that no report may hold
TWICE = "3.9"  # builds on another task: what one pass saw, the other must not
CPU, WALL = 1, 1.5  # seconds a check of what is attacked
EXPECTED = re.compile(r"Expected: (nothing|full marks)( hidden)?(?: on (3\.\d))?\.?\Z")


@dataclass(frozen=True)
class Attack:
    """One attack: how it is called, what it tries, what points it should get, its code."""

    name: str
    says: str
    expected: str
    code: str = ""

    @property
    def group(self) -> str:
        """The first word of its name."""
        return self.name.split("_")[0]

    def touches(self, task_id: str, hidden: bool) -> bool:
        """Whether it should get no points for a task's public or hidden checks."""
        match = EXPECTED.match(f"Expected: {self.expected}")
        assert match is not None, f"{self.name}: what is expected?"
        nothing = match[1] == "nothing" and match[3] in (None, task_id)
        return nothing and (hidden or not match[2])

    def submission(self, folder: Path, stage: Stage, solution: str) -> Path:
        """Write what is handed in."""
        if self.name in HANDED:
            return HANDED[self.name][0](folder, solution)
        path = folder / "tasks.py"
        path.write_text(f"STAGE = {stage.known()}\n{solution}\n\n{self.code}", encoding="utf-8")
        return path


def attacks() -> list[Attack]:
    """All of them, by name."""
    found = []
    for path in GROUPS.glob("*.py"):
        shared, *parts = NAME.split(path.read_text(encoding="utf-8"))
        for name, own in zip(parts[::2], parts[1::2], strict=True):
            says = ast.get_docstring(ast.parse(own)) or ""
            text, _, expected = says.rpartition("Expected: ")
            words, expected = " ".join(text.split()), expected.removesuffix(".")
            found.append(Attack(f"{path.stem}_{name}", words, expected, shared + own))
    for name, (make, expected) in HANDED.items():
        found.append(Attack(name, make.__doc__ or "", expected))
    return sorted(found, key=lambda attack: attack.name)


class Trial:
    """One lab, one zygote and one stage, on which attacks are graded one after another."""

    def __init__(self, lab: Lab, layers: tuple[str, ...] = LAYERS):
        self.lab = lab
        self.checks = collect(lab)
        self.solution = lab.solution_file.read_text(encoding="utf-8")
        builders = ROOT / "grading" / f"lab{lab.number}" / "builders.py"
        self.zygote = Zygote(("keras", *lab.preload), builders, layers=layers)
        self.zygote.start()
        self.stage = Stage(lab)
        self.folders = count()

    def grade(self, attack: Attack) -> LabResult:
        """Grade an attack on the first public and the first hidden check of a few tasks."""
        folder = self.stage.folder / f"handed-in-{next(self.folders)}"
        folder.mkdir()
        path = attack.submission(folder, self.stage, self.solution)
        checks = {check.name: (check, test) for check, test in self.checks}
        for name, (check, test) in checks.items():
            if attack.touches(check.task, check.hidden):
                checks[name] = (dataclasses.replace(check, cpu=CPU, wall=WALL), test)
        declared = [check for check, _ in checks.values()]
        session = Session(self.lab, str(path), declared, accept_open=True, parent=self.zygote)
        session.solution = self.stage.marked(self.solution)
        try:
            seen: Counter[tuple[str, bool]] = Counter()
            for check, test in checks.values():
                kind = (check.task, check.hidden)
                chosen = check.task in CONTROL or attack.expected.endswith(check.task)
                if chosen and seen[kind] < (2 if check.task == TWICE else 1):
                    seen[kind] += 1
                    given = with_its_fixtures(test)
                    run_check(session, check.name, self.watched(given) if kind == HIDDEN else given)
        finally:
            session.close()
        return session.result

    def watched(self, test: Callable[..., None]) -> Callable[..., None]:
        """A hidden check of 3.3 which first asks something that no report may hold."""

        def asked(student: Code, solution: Code, reader: Code, rng: np.random.Generator) -> None:
            with contextlib.suppress(CheckFailed):
                student.build_vocabulary([[self.stage.input, self.stage.input]])
            test(student, solution, reader, rng)

        return asked

    def problems(self, attack: Attack) -> list[str]:
        """Everything by which an attack was not contained."""
        try:
            result = self.grade(attack)
            found = wrong_points(attack, result) + flaws(result, self.stage)
        except Exception as error:
            found = [f"the grader broke: {type(error).__name__}: {error}"]
        return found + self.stage.harm(self.zygote)

    def close(self) -> None:
        """Take everything down."""
        self.zygote.close()
        self.stage.close()


def wrong_points(attack: Attack, result: LabResult) -> list[str]:
    """Points that an attack should not have, and points that it took from other tasks."""
    found = []
    for task in result.tasks:
        for check in task.checks:
            if check.outcome != "not run":
                touched = attack.touches(task.id, check.hidden)
                if touched == (check.outcome == "passed"):
                    found.append(f"{task.id} {check.outcome}: {check.message[:200]}")
    return found


def flaws(result: LabResult, stage: Stage) -> list[str]:
    """What is wrong with a report: points missing, secrets told, signs that no report may hold."""
    text = json.dumps(result.as_json(), allow_nan=False)
    found = [] if result.possible == 100 and len(result.tasks) == 9 else ["points are missing"]
    found += [f"the report tells {what}" for what, word in stage.words().items() if word in text]
    for check in (check for task in result.tasks for check in task.checks):
        message = check.message
        own_words = "a hidden check of this property failed: "
        if check.outcome == "error":
            found.append(f"an error in the grader: {message}")
        told = message.removeprefix(own_words)
        if check.hidden and told != message and told not in REASONS.values():
            found.append(f"a hidden check tells {message}")
        if plain(message, 4 * MESSAGE) != message:
            found.append(f"a message of {len(message)} characters, or with signs it may not hold")
    return found


def run(layers: tuple[str, ...], chosen: list[Attack]) -> dict:
    """Grade attacks in one configuration: its isolation, and what each was not contained by."""
    trial = Trial(load_lab(3), layers)
    try:
        problems = {}
        with progress("attacks", len(chosen)) as advance:
            for attack in chosen:
                problems[attack.name] = trial.problems(attack)
                advance()
    finally:
        trial.close()
    return {"isolation": trial.zygote.isolation.text, "problems": problems}


def run_as_another(layers: tuple[str, ...]) -> dict | None:
    """The same as an ordinary user; None if that user cannot read this interpreter."""
    with unused_uid() as uid, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = Path(folder) / "found.json"
        off = [layer for layer in LAYERS if layer not in layers]
        options = ["--json", str(path), *(["--without", *off] if off else [])]
        with contextlib.suppress(PermissionError):
            subprocess.run(
                [sys.executable, "-m", "grading.attacks", *options],
                cwd=ROOT,
                env=os.environ | {"HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.DEVNULL,
                user=uid,
                group=uid,
                extra_groups=[],
            )
        return json.loads(path.read_text()) if path.is_file() else None


def run_all(chosen: list[Attack]) -> list[tuple[str, dict]]:
    """Every configuration of this machine: who runs the grader, and what was found."""
    found = []
    if os.geteuid() == 0:
        sets = (LAYERS, (FILES, CALLS), (USER, CALLS), (USER, FILES), (USER,), ())
        found = [("root", run(layers, chosen)) for layers in sets]
    for layers in ((FILES, CALLS), (CALLS,), (FILES,), ()):
        ordinary = run_as_another(layers) if found else run(layers, chosen)
        found += [("a user", ordinary)] if ordinary else []
    return found


def document(found: list[tuple[str, dict]], chosen: list[Attack]) -> str:
    """The tables of docs/containment.md."""
    groups = sorted({attack.group for attack in chosen})
    lines = [
        "# What grading survives",
        "",
        *CONTAINED.splitlines(),
        "",
        "Made by `python -m grading.attacks --table` on Linux "
        f"{os.uname().release.split('-')[0]}, Python {sys.version.split()[0]}.",
        "",
        f"| run by | isolation | all | {' | '.join(groups)} |",
        f"|{'---|' * (3 + len(groups))}",
    ]
    for who, one in found:
        held = [attack for attack in chosen if not one["problems"][attack.name]]
        cells = [
            f"{sum(a.group == group for a in held)} of {sum(a.group == group for a in chosen)}"
            for group in groups
        ]
        level, _, rest = one["isolation"].partition(" ")
        words = rest.strip("()").partition("; it could")[0]
        cells = [who, f"**{level}**: {words}", f"{len(held)} of {len(chosen)}", *cells]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Without a part of the lock these get through (the lines above, in that order):",
        "",
    ]
    for who, one in found:
        names = [f"`{name}`" for name, problems in one["problems"].items() if problems]
        level = one["isolation"].partition(";")[0].rstrip(")")
        lines.append(f"- {who}, {level}): {', '.join(names) or 'none'}")
    lines += ["", *REMAINS.splitlines(), "", "## The attacks"]
    lines += ["", "| attack | what it tries | expected |", "|---|---|---|"]
    lines += [f"| `{a.name}` | {a.says.strip()} | {a.expected} |" for a in chosen]
    return "\n".join(lines) + "\n"


def figures(found: list[tuple[str, dict]]) -> str:
    """What got through in each configuration, and by what it was seen, as JSON."""
    rows = [
        {
            "run by": who,
            "isolation": one["isolation"],
            "attacks": len(one["problems"]),
            "got through": {name: seen for name, seen in one["problems"].items() if seen},
        }
        for who, one in found
    ]
    return json.dumps(rows, indent=1) + "\n"


def show(found: dict, chosen: list[Attack]) -> int:
    """Print one configuration's figures; 1 if an attack was not contained."""
    contained = Counter(a.group for a in chosen if not found["problems"][a.name])
    groups = Counter(attack.group for attack in chosen)
    rows = [(group, f"{contained[group]} of {number}") for group, number in groups.items()]
    table("attacks", "contained", rows=[*rows, ("all", f"{contained.total()} of {len(chosen)}")])
    for name, problems in found["problems"].items():
        for problem in problems:
            say(f"{name}: {plain(problem)}")
    say(f"isolation: {found['isolation']}")
    return 0 if contained.total() == len(chosen) else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m grading.attacks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="uses_threads, or uses")
    parser.add_argument("--without", nargs="+", default=[], metavar="LAYER", help=str(LAYERS))
    parser.add_argument("--json", metavar="FILE", help="write what was found")
    parser.add_argument("--table", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    options = parser.parse_args()
    chosen = [
        attack
        for attack in attacks()
        if not options.only or any(attack.name.startswith(name) for name in options.only)
    ]
    if not chosen:
        raise EtudeError(f"no attack is called {' or '.join(options.only)}")
    if options.table:
        everything = run_all(chosen)
        TABLE.write_text(document(everything, chosen), encoding="utf-8")
        FIGURES.write_text(figures(everything), encoding="utf-8")
        say(f"wrote {TABLE.relative_to(ROOT)}; the reasons are in {FIGURES.relative_to(ROOT)}")
        return 0
    layers = tuple(layer for layer in LAYERS if layer not in options.without)
    found = run(layers, chosen)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    return show(found, chosen)


if __name__ == "__main__":
    run_command(main)
