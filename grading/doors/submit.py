"""`make submit LAB=3`: check the file, grade it publicly, write the one file to hand in."""

import argparse
import json
import os
import zipfile
from pathlib import Path

from grading.core.collect import collect
from grading.core.run import grade
from grading.core.session import Session
from grading.doors.verdicts import show_heading, show_stamp, show_task, show_total
from labs.course.catalogue import Lab, example_lab, load_lab
from labs.course.chosen import chosen_source
from toolkit.console import next_step, run_command, warn
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

SUBMISSIONS = ROOT / "submissions"
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's earliest time: the same work makes the same bytes


def submit(lab: Lab, code: str | None = None, folder: Path = SUBMISSIONS) -> Path:
    """Write `lab3.zip`: the file that was graded, and `result.json` with stamp and public verdicts.

    Parameters
    ----------
    code
        The path of a .py or .ipynb file; None for what `chosen_source` chooses.

    Raises
    ------
    EtudeError
        If the file cannot be read as Python, changes while it is graded, or has no task started.
    """
    source = chosen_source(lab) if code is None else Path(code)
    content = source.read_bytes() if source.is_file() else b""
    session = grade(lab, code, collect(lab), public=True)
    if session.problem:
        raise EtudeError(session.problem)
    result = session.result
    show_stamp(result)
    show_heading(session)
    told: set[str] = set()
    for task in result.tasks:
        show_task(task, told)
    show_total(result)
    for note in session.lost.values():
        warn(note)
    if all(task.outcome == "not started" for task in result.tasks):
        raise EtudeError(f"{result.submission} has no task written yet, so nothing is handed in")
    if session.path.read_bytes() != content:
        raise EtudeError(f"{result.submission} was saved while it was graded: run this again")
    name = lab.notebook_file.name if source.suffix == ".ipynb" else lab.tasks_file.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"lab{lab.number}.zip"
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        verdicts = json.dumps(public_verdicts(session), indent=1)
        archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        archive.writestr(zipfile.ZipInfo("result.json", EPOCH), verdicts)
    os.replace(part, path)
    return path


def public_verdicts(session: Session) -> dict:
    """The result without its times, so that the same work makes the same file."""
    plain = session.result.without_times()
    for task in plain["tasks"]:
        task["checks"] = [check for check in task["checks"] if not check["hidden"]]
    return plain


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="grading.submit")
    parser.add_argument("--lab")
    parser.add_argument("--code", help="a .py or .ipynb file (the one you worked in)")
    options = parser.parse_args()
    if not options.lab:
        raise EtudeError(f"which lab? make submit LAB={example_lab()}")
    path = submit(load_lab(options.lab), options.code)
    next_step(f"hand in {shown(path)}")


if __name__ == "__main__":
    run_command(main)
