"""CPU seconds that grading a class takes here, and beside another checkout of the course.

`python -m benchmarks.grading [--lab 3] [--number 24] [--beside FOLDER] [--rounds 3]`: students made
of the bank are graded one after another, by this checkout and by the other in turn.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from grading.proofs.bank import entries
from labs.course.catalogue import Lab, load_lab
from labs.course.stubs import replaced
from toolkit.console import run_command, say, table
from toolkit.paths import ROOT

PROGRAM = """
import sys
from pathlib import Path
from grading.core.collect import collect
from grading.core.run import grade
from labs.course.catalogue import load_lab
lab = load_lab(sys.argv[1])
checks = collect(lab)
for path in sorted(Path(sys.argv[2]).glob("*.py")):
    grade(lab, str(path), checks, student=path.stem)
"""


def made_files(lab: Lab, number: int) -> Iterator[str]:
    """So many files, half of each the solution's and half answers of the bank, drawn by lot."""
    rng = random.Random(0)
    bank = entries(lab)
    for _ in range(number):
        text = lab.solution_file.read_text(encoding="utf-8")
        for task in lab.tasks:
            if rng.random() < 0.5:
                answers = [entry.answer for entry in bank if entry.task == task]
                text = replaced(text, task.name, rng.choice(answers))
        yield text


def seconds(course: Path, lab: str, folder: Path) -> float:
    """CPU seconds that one checkout takes to grade all files of a folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(course)}
    command = [sys.executable, "-c", PROGRAM, lab, str(folder)]
    subprocess.run(command, cwd=course, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading", description=__doc__)
    parser.add_argument("--lab", default="3")
    parser.add_argument("--number", type=int, default=24)
    parser.add_argument("--beside", type=Path, help="another checkout of the course")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    courses = [course.resolve() for course in (ROOT, options.beside) if course]
    taken: dict[Path, list[float]] = {course: [] for course in courses}
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(made_files(load_lab(options.lab), options.number)):
            (Path(folder) / f"student{number:03d}.py").write_text(text, encoding="utf-8")
        for _ in range(options.rounds):
            for course in courses:
                taken[course].append(round(seconds(course, options.lab, Path(folder)), 1))
                say(json.dumps({course.name: taken[course][-1]}))
    rows = [(course.name, str(median(each)), str(each)) for course, each in taken.items()]
    table("checkout", "CPU seconds", "rounds", rows=rows)
    if len(courses) == 2:
        ratio = median(taken[courses[0]]) / median(taken[courses[1]])
        say(f"this checkout takes {ratio:.3f} times the other's CPU seconds")


if __name__ == "__main__":
    run_command(main)
