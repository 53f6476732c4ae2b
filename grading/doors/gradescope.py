"""`make gradescope LAB=3`: the zip that grades a lab on Gradescope, and what it runs there.

Formats: https://gradescope-autograders.readthedocs.io (Autograder Specifications).
"""

import argparse
import importlib
import importlib.util
import json
import os
import re
import time
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

from grading.core.collect import collect
from grading.core.imports import with_imports
from grading.core.results import CheckResult, TaskResult, messages
from grading.core.run import run_checks
from grading.core.secret import course_secret, warn_without_secret
from grading.core.session import Session
from grading.doors.handout import tracked_files
from grading.doors.verdicts import points
from labs.course.catalogue import Lab, load_lab
from labs.course.submission import most_bytes, stubs_left
from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import CACHE, ROOT, write_whole
from toolkit.plain import plain, printable

FOLDER = ROOT / "gradescope"
SETTINGS = "autograder.json"
# when students see what the hidden checks of a task said
VISIBILITIES = ("after_published", "after_due_date", "hidden", "visible")
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's earliest time: the same course makes the same bytes
LEFT_OUT = (
    "hidden checks were not run: nothing keeps a submission in here (isolation: {}), and this "
    "autograder was made without ACCEPT_OPEN=1"
)
UNFINISHED = "the grading has not come to its end: ask your instructor to run it again"

SETUP = """\
#!/bin/sh
# Gradescope runs this once, as root, when it builds the image. The system's Python stays as it is.
set -eu
base="${AUTOGRADER:-/autograder}"
cd "$base/source/etude"
supported='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
find_python() {
  for python in python3.11 python3.12 python3.13 python3; do
    if "$python" -c "$supported" 2>/dev/null; then echo "$python"; return; fi
  done
}
python=$(find_python)
if [ -z "$python" ]; then
  apt-get update -q
  for version in 3.12 3.11; do
    apt-get install -qy "python$version" "python$version-venv" && break
  done
  python=$(find_python)
fi
if [ -z "$python" ]; then
  echo "Etude needs Python 3.11, 3.12 or 3.13: choose a base image that has one" >&2
  exit 1
fi
"$python" -m venv "$base/environment"
python="$base/environment/bin/python"
"$python" -m pip --quiet --disable-pip-version-check install "uv>=0.8,<1"
"$python" -m uv --quiet pip install --python "$python" --require-hashes --compile-bytecode \\
  -r requirements.lock
"""

RUN = """\
#!/bin/sh
# Gradescope runs this, as root, for each submission.
base="${AUTOGRADER:-/autograder}"
cd "$base/source/etude" && exec "$base/environment/bin/python" -m grading.gradescope --grade "$base"
"""


# Building the zip


def build(
    lab: Lab, hidden: str, secret: str, folder: Path = FOLDER, accept_open: bool = False
) -> Path:
    """Write `lab3.zip`, which Gradescope takes as an autograder.

    Parameters
    ----------
    hidden
        When students see the verdicts of hidden checks, one of VISIBILITIES.
    secret
        What hidden inputs are drawn from, together with lab and student.
    accept_open
        Run hidden checks though the container locks no worker in.
    """
    if hidden not in VISIBILITIES:
        raise EtudeError(f"HIDDEN={hidden}: choose one of {', '.join(VISIBILITIES)}")
    collect(lab)
    settings = {"lab": lab.number, "hidden": hidden, "secret": secret, "accept_open": accept_open}
    contents = {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()}
    contents |= {f"etude/{name}": (ROOT / name).read_bytes() for name in needed(lab)}
    if (board := board_of(lab)) is not None:
        data = {"/".join(path.parts[-3:]): path for path in board.data_files()}
        cache = CACHE.relative_to(ROOT).as_posix()
        contents |= {f"etude/{cache}/{name}": path.read_bytes() for name, path in data.items()}
    contents[f"etude/{SETTINGS}"] = json.dumps(settings).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"lab{lab.number}.zip"
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o644 if "/" in name else 0o755) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    os.replace(part, path)
    return path


def needed(lab: Lab) -> list[str]:
    """Files that grading a lab takes: solution and hidden checks, too, but no bank."""
    patterns = (
        "LICENSE",
        "requirements.lock",
        "toolkit/*",
        "grading/sandbox/worker/*",
        "grading/doors/gradescope.py",
        f"grading/lab{lab.number}/*",
        f"labs/{lab.slug}/*",
    )
    tracked = tracked_files()
    names = [name for name in tracked if any(fnmatch(name, pattern) for pattern in patterns)]
    names += [name for name in tracked if re.fullmatch(r"labs/(course/)?\w+\.py", name)]
    bank = f"grading/lab{lab.number}/bank/"
    return with_imports([name for name in names if not name.startswith(bank)])


# Grading in Gradescope's container


def grade_submission(base: Path) -> Path:
    """Grade what lies in `submission`; results are written anew after each task.

    Parameters
    ----------
    base
        Gradescope's folder: `/autograder`.
    """
    began = time.monotonic()
    settings = json.loads((ROOT / SETTINGS).read_text(encoding="utf-8"))
    os.environ["ETUDE_SECRET"] = settings["secret"]
    lab = load_lab(settings["lab"])
    checks = collect(lab)
    declared = [check for check, _ in checks]
    path, problem = find_file(base / "submission", lab)
    student = student_of(base / "submission_metadata.json")
    session = Session(lab, str(path), declared, student, settings["accept_open"])
    session.problem = problem or session.problem
    target = base / "results" / "results.json"
    allowed = all(map(session.may_run, declared))
    warned = not_graded(path, lab)
    for other in files_of(path.parent, lab):
        warned += session.not_alike(other) if other != path else []
    warned += [] if allowed else [LEFT_OUT.format(session.isolation())]

    def write(finished: bool, board: tuple[list, list[str]] = ([], [])) -> None:
        entries, lines = board
        told = warned + ([] if finished else [UNFINISHED]) + lines
        seconds = round(time.monotonic() - began, 1)
        results = as_results(session, settings["hidden"], told) | {"execution_time": seconds}
        results |= {"leaderboard": entries} if entries else {}
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, json.dumps(results, indent=1, allow_nan=False))

    def after(task: TaskResult) -> None:
        for check in task.checks:
            if check.traceback:
                say(f"{check.name}: {plain(check.traceback.splitlines()[-1])}")
        write(finished=False)

    write(finished=False)
    try:
        run_checks(session, [one for one in checks if session.may_run(one[0])], after=after)
        write(finished=True)
        write(finished=True, board=leaderboard(lab, base / "submission"))
    finally:
        session.close()
    return target


def leaderboard(lab: Lab, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of the leaderboard for pieces that were handed in, and lines about them.

    Both are empty where the lab has no leaderboard, or no piece is there.
    """
    if (board := board_of(lab)) is None:
        return [], []
    try:
        return board.leaderboard(folder)
    except Exception as error:  # it costs no points
        return [], [f"the leaderboard could not be filled: {plain(str(error) or repr(error))}"]


def board_of(lab: Lab) -> ModuleType | None:
    """What makes a leaderboard's entries, if the lab has one; no other lab's zip holds it."""
    name = f"grading.lab{lab.number}.leaderboard"
    return importlib.import_module(f"{name}.entry") if importlib.util.find_spec(name) else None


def find_file(folder: Path, lab: Lab) -> tuple[Path, str | None]:
    """Find the file to grade among what was handed in; else say what is wrong."""
    for place in (folder, folder / "labs" / lab.slug):
        if both := files_of(place, lab):
            return min(both, key=lambda path: (len(left_in(path)), path.suffix != ".py")), None
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    files = [name for name in there if name.endswith((".py", ".ipynb"))]
    if len(files) == 1:
        return folder / files[0], None
    listed = ", ".join(printable(name, 100) for name in there[:10]) or "nothing"
    return folder / "tasks.py", (
        f"there is no tasks.py in what was handed in ({listed}): hand in tasks.py, or the "
        f"lab{lab.number}.zip that make submit LAB={lab.number} writes"
    )


def files_of(folder: Path, lab: Lab) -> list[Path]:
    """What a folder has of a lab's `tasks.py` and notebook."""
    paths = [folder / name for name in (lab.tasks_file.name, lab.notebook_file.name)]
    return [path for path in paths if path.exists() or path.is_symlink()]


def left_in(path: Path) -> set[str]:
    """Tasks that a file has not written, as far as it can be read."""
    if path.is_symlink() or not path.is_file():
        return set()
    with path.open("rb") as file:
        return stubs_left(file.read(most_bytes(path.name)))


def not_graded(path: Path, lab: Lab) -> list[str]:
    """Tell what the other file has of a lab that was handed in twice."""
    return [
        f"{other.name} was not graded, but has {', '.join(sorted(only))}, {path.name} has not"
        for other in files_of(path.parent, lab)
        if (only := left_in(path) - left_in(other))
    ]


def student_of(metadata: Path) -> str:
    """Name who handed in, a pair by both: hidden inputs are drawn by it."""
    try:
        users = json.loads(metadata.read_text(encoding="utf-8"))["users"]
        return printable("+".join(sorted(str(user.get("sid") or user["email"]) for user in users)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "local"


def as_results(session: Session, hidden: str, told: list[str]) -> dict[str, Any]:
    """The result as Gradescope's `results.json`: two tests a task, and none is ever left out."""
    result = session.result
    stamp = " · ".join(f"{name} {value}" for name, value in result.stamp.items())
    problem = [session.problem] if session.problem else []
    return {
        "output": "\n".join([*told, *problem, *session.notes, stamp, result.isolation]),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": [
            as_test(task, checks, hidden) for task in result.tasks for checks in halves(task)
        ],
        "extra_data": {"stamp": result.stamp, "isolation": result.isolation},
    }


def halves(task: TaskResult) -> list[list[CheckResult]]:
    """A task's public checks and its hidden ones."""
    both = [[check for check in task.checks if check.hidden == hidden] for hidden in (False, True)]
    return [checks for checks in both if checks]


def as_test(task: TaskResult, checks: list[CheckResult], visibility: str) -> dict[str, Any]:
    """One entry of `tests`."""
    hidden = checks[0].hidden
    passed = all(check.outcome == "passed" for check in checks)
    return {
        "number": task.id,
        "name": f"{task.name} ({'hidden' if hidden else 'public'} checks)",
        "score": round(sum(check.earned for check in checks), 6),
        "max_score": round(sum(check.points for check in checks), 6),
        "status": "passed" if passed else "failed",
        "output": "\n".join(map(line, checks, messages(checks))),
        "visibility": visibility if hidden else "visible",
    }


def line(check: CheckResult, message: str) -> str:
    """A check's verdict and message as text."""
    if check.outcome == "error":
        return f"{check.says}: the grader itself broke here, tell your instructor"
    text = f"{check.says}: {check.outcome}, {points(check.earned)} of {points(check.points)}"
    return text + "".join(f"\n    {row}" for row in message.splitlines())


def main() -> None:
    """Build the zip, or with --grade run in it."""
    parser = argparse.ArgumentParser(prog="make gradescope")
    parser.add_argument("--lab", default="")
    parser.add_argument("--hidden", default=VISIBILITIES[0], help=", ".join(VISIBILITIES))
    parser.add_argument("--accept-open", action="store_true", help="run hidden checks unlocked")
    parser.add_argument("--grade", metavar="FOLDER", help="grade, in Gradescope's container")
    options = parser.parse_args()
    if options.grade:
        say(f"results: {grade_submission(Path(options.grade))}")
        return
    if not options.lab:
        raise EtudeError("which lab? make gradescope LAB=3")
    lab, accept = load_lab(options.lab), options.accept_open
    path = build(lab, options.hidden, course_secret(), accept_open=accept)
    warn_without_secret()
    next_step("upload it to Gradescope (2 GB of memory, 1 CPU): docs/instructor.md", path)


if __name__ == "__main__":
    run_command(main)
