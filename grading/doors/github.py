"""`make github LAB=3`: a GitHub Classroom workflow, one step a task, and what its steps run.

The reporter takes from each step an output `result`, base64 of JSON version 1:
https://github.com/classroom-resources/autograding-grading-reporter
Students can edit the repository that it runs in: it tells them where they stand, it gives no grade.
"""

import argparse
import base64
import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grading.core.results import TaskResult, messages
from grading.core.run import grade
from labs.course.catalogue import Lab, Task, find_task, load_lab
from labs.course.update import read_manifest
from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, make_folder, shown, write_whole

FOLDER = ROOT / "handout"
MESSAGE = 2000  # characters: an output of a step is bounded
PYTHON = "3.11"

HEAD = """\
name: GitHub Classroom
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  grade:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "{python}"
      - name: set up
        run: make setup
"""
STEP = """\
      - name: {id} {name}
        id: {step}
        run: .venv/bin/python -m grading.github --task {id}
"""
REPORT = """\
      - name: report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}
        with:
          runners: {runners}
"""


def workflow(lab: Lab) -> str:
    """Write the workflow that grades a lab's public checks."""
    steps = {step_id(task): task for task in lab.tasks}
    text = HEAD.format(python=PYTHON)
    for step, task in steps.items():
        text += STEP.format(id=task.id, name=task.name, step=step)
    results = "\n".join(
        f"          {step.upper()}_RESULTS: ${{{{ steps.{step}.outputs.result }}}}"
        for step in steps
    )
    return text + REPORT.format(results=results, runners=",".join(steps))


def labs_in(names: Iterable[str]) -> list[int]:
    """The numbers of the labs that a handout of these files has."""
    found = (re.fullmatch(r"labs/lab(\d+)_\w+/lab\.toml", name) for name in names)
    return sorted(int(match[1]) for match in found if match)


def step_id(task: Task) -> str:
    """Name a task's step; the reporter reads its result from this name in capitals."""
    return f"task_{task.id.replace('.', '_')}"


def as_classroom(
    task: TaskResult, seconds: float, problem: str | None = None, filename: str = "tasks.py"
) -> dict[str, Any]:
    """One task's public checks as the reporter's JSON: one test, which is never left out."""
    checks = [check for check in task.checks if not check.hidden]
    broken = any(check.outcome == "error" for check in checks)
    passed = all(check.outcome == "passed" for check in checks)
    status = "error" if broken else "pass" if passed else "fail"
    failed = [check for check in checks if check.outcome != "passed"]
    told = [problem] if problem else []
    told += [
        f"{check.says}: {message or check.outcome}"
        for check, message in zip(failed, messages(failed), strict=True)
        if not problem
    ]
    possible = round(sum(check.points for check in checks), 3)
    test = {
        "name": f"{task.id} {task.name}",
        "status": status,
        "score": round(sum(check.earned for check in checks), 3),
        "message": "\n".join(told)[:MESSAGE],
        "test_code": f"make grade TASK={task.id}",
        "filename": filename,
        "line_no": task.line or 0,
        "duration": round(1000 * seconds),
    }
    return {"version": 1, "status": status, "max_score": possible, "tests": [test]}


def run_step(task_id: str) -> None:
    """Grade one task and give the step's output; the step itself always succeeds."""
    lab, task = find_task(task_id)
    began = time.monotonic()
    session = grade(lab, None, tasks=[task.id], public=True)
    result = session.result.task(task.id)
    seconds, name = time.monotonic() - began, session.submission.path.name
    result_json = as_classroom(result, seconds, session.problem, name)
    say(json.dumps(result_json, indent=1))
    encoded = base64.b64encode(json.dumps(result_json).encode()).decode()
    with Path(os.environ.get("GITHUB_OUTPUT", os.devnull)).open("a", encoding="utf-8") as output:
        output.write(f"result={encoded}\n")


def main() -> None:
    """Write the workflow into a handout, or with --task run one of its steps."""
    parser = argparse.ArgumentParser(prog="make github")
    parser.add_argument("--lab", default="")
    parser.add_argument("--to", default="", help="the handout's folder; handout/ unless told")
    parser.add_argument("--task", default="", help="grade this, in a workflow")
    options = parser.parse_args()
    if options.task:
        run_step(options.task)
        return
    if not options.lab:
        raise EtudeError("which lab? make github LAB=3")
    lab, folder = load_lab(options.lab), Path(options.to) if options.to else FOLDER
    if not folder.is_dir():
        raise EtudeError(f"there is no {shown(folder)}: make handout LAB={lab.number} makes it")
    there = labs_in(read_manifest(folder))
    if lab.number not in there:
        listed = ", ".join(map(str, there)) or "none"
        raise EtudeError(
            f"the handout {shown(folder)} has no lab {lab.number}: labs in it are {listed}"
        )
    path = make_folder(folder / ".github" / "workflows") / "classroom.yml"
    write_whole(path, workflow(lab))
    next_step(f"push {shown(folder)} as the assignment's template repository", path)


if __name__ == "__main__":
    run_command(main)
