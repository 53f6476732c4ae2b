"""How fast a class is graded on this machine: submissions a minute and core, and minutes for 500.

    python -m benchmarks.classroom [--only one_light_task]

Students made of Lab 3's bank, starts of all processes included; each figure stands beside its aim.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from grading.classroom.run import Classroom, alone_in
from grading.classroom.submissions import find_submissions
from grading.proofs.made_class import hand_in, make_students
from labs.course.catalogue import load_lab
from toolkit.console import run_command, say, table
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, write_whole

LAB = load_lab(3)
RESULTS = ROOT / "benchmarks" / "results" / "classroom.json"


@dataclass(frozen=True)
class Aim:
    """A class, and how long it should take.

    Attributes
    ----------
    tasks
        Ids of the tasks to grade; None for all.
    least
        Submissions a minute and core.
    """

    name: str
    students: int
    tasks: tuple[str, ...] | None
    least: float


AIMS = (
    Aim("one_light_task", 500, ("3.4",), 300),
    Aim("all_of_the_lab", 40, None, 20),
    Aim("five_hundred", 500, None, 25),  # in ten minutes on two cores
)


def rate(aim: Aim) -> float:
    """Submissions graded a minute and core."""
    with tempfile.TemporaryDirectory() as folder:
        handed, results = Path(folder) / "class", Path(folder) / "results"
        hand_in(make_students(LAB, aim.students, seed=7, tasks=aim.tasks), handed)
        begin = time.monotonic()
        with alone_in(results):
            Classroom(LAB, results, aim.tasks).grade(find_submissions(handed, LAB)[0])
        return 60 * aim.students / (time.monotonic() - begin) / available_cores()


def main() -> None:
    """Measure, print a line each, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classroom")
    parser.add_argument("--only", default="", help=", ".join(aim.name for aim in AIMS))
    only = parser.parse_args().only
    aims = [aim for aim in AIMS if only in ("", aim.name)]
    if not aims:
        raise EtudeError(f"--only {only}: choose {', '.join(aim.name for aim in AIMS)}")
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for aim in aims:
        found = {"a_minute_and_core": round(rate(aim), 1), "aim": aim.least}
        known[aim.name] = found | {"students": aim.students, "cores": available_cores()}
        say(json.dumps({aim.name: known[aim.name]}))
        write_whole(RESULTS, json.dumps(known, indent=1) + "\n")
    table(
        *("class", "students", "a minute and core", "aim"),
        rows=[
            (
                aim.name,
                *(str(known[aim.name][key]) for key in ("students", "a_minute_and_core", "aim")),
            )
            for aim in aims
        ],
    )


if __name__ == "__main__":
    run_command(main)
