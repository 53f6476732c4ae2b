"""The GitHub Classroom workflow: its form, and its steps' output as the reporter decodes it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grading.core.collect import collect
from grading.core.results import CheckResult, TaskResult
from grading.doors import handout as handout_module
from grading.doors.github import as_classroom, step_id, workflow
from labs.course.catalogue import load_lab
from labs.course.update import install
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("handout")
LAB = load_lab(3)
TASKS = "labs/lab3_notes/tasks.py"


@pytest.fixture
def steps():
    return yaml.safe_load(workflow(LAB))["jobs"]["grade"]["steps"]


@pytest.fixture
def copy(monkeypatch, tmp_path) -> Path:
    """A handout with recorded answers for tasks 3.3 and 3.4, and the present environment."""
    few = [(check, test) for check, test in collect(LAB) if check.task in ("3.3", "3.4")]
    monkeypatch.setattr("grading.core.recorded.collect", lambda lab: few)
    install(handout_module.handout([LAB]), tmp_path / "handout")
    (tmp_path / "handout" / ".venv").symlink_to(sys.prefix)
    return tmp_path / "handout"


def run_step(step: dict, folder: Path) -> dict:
    """Run a step as a runner does and decode what the reporter would get."""
    output = folder / "output.txt"
    output.unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = output.read_text().splitlines()
    name, _, value = line.partition("=")
    assert name == "result"
    return json.loads(base64.b64decode(value, validate=True))


def demand_form(result: dict) -> None:
    """Demand what the reporter reads."""
    assert result["version"] == 1
    assert result["status"] in ("pass", "fail", "error")
    assert result["max_score"] > 0
    (test,) = result["tests"]
    kinds = {
        "name": str,
        "status": str,
        "score": float,
        "message": str,
        "test_code": str,
        "filename": str,
        "line_no": int,
        "duration": int,
    }
    assert {name: type(value) for name, value in test.items()} == kinds
    assert 0 <= test["score"] <= result["max_score"]
    assert test["status"] == result["status"]


def test_a_runner_a_task_and_the_reporter_knows_them_all(steps):
    ids = [step_id(task) for task in LAB.tasks]
    assert [step["id"] for step in steps if "id" in step] == ids
    report = steps[-1]
    assert report["with"]["runners"].split(",") == ids
    for step in ids:
        assert report["env"][f"{step.upper()}_RESULTS"] == f"${{{{ steps.{step}.outputs.result }}}}"
    assert len(report["env"]) == len(ids)


def test_the_steps_tell_the_reporter_what_a_student_has(steps, copy):
    solution = LAB.solution_file.read_text(encoding="utf-8")
    stubs = (copy / TASKS).read_text(encoding="utf-8")
    start, end = solution.index("# ## 3.3"), solution.index("# ## 3.4")
    place = stubs.index("# ## 3.3"), stubs.index("# ## 3.4")
    written = stubs[: place[0]] + solution[start:end] + stubs[place[1] :]
    (copy / TASKS).write_text(written, encoding="utf-8")
    by_id = {step["id"]: step for step in steps if "id" in step}
    passed = run_step(by_id["task_3_3"], copy)
    demand_form(passed)
    assert (passed["status"], passed["max_score"]) == ("pass", 4.8)
    assert passed["tests"][0]["score"] == 4.8
    stub = run_step(by_id["task_3_4"], copy)
    demand_form(stub)
    assert (stub["status"], stub["tests"][0]["score"]) == ("fail", 0)
    assert "not started" in stub["tests"][0]["message"]


@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_every_step_of_the_workflow_runs_in_a_fresh_copy(steps, tmp_path):
    folder = tmp_path / "handout"
    install(handout_module.handout([LAB]), folder)
    (folder / TASKS).write_text(LAB.solution_file.read_text(encoding="utf-8"), encoding="utf-8")
    home = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    # whom this machine trusts when it fetches packages
    home |= {name: value for name, value in os.environ.items() if name.startswith("SSL_CERT_")}
    (setup,) = (step for step in steps if step.get("name") == "set up")
    subprocess.run(["bash", "-e", "-c", setup["run"]], cwd=folder, env=home, check=True)
    results = [run_step(step, folder) for step in steps if "id" in step]
    for result in results:
        demand_form(result)
        assert result["status"] == "pass"
    assert sum(result["max_score"] for result in results) == pytest.approx(60)


def test_what_a_task_cannot_be_graded_for_is_told():
    failed = CheckResult("a", "first", False, 3, "failed", "expected 1, got 2")
    passed = CheckResult("b", "second", False, 3, "passed")
    hidden = CheckResult("c", "third", True, 4)
    task = TaskResult("3.3", "build_vocabulary", 10, 12, [failed, passed, hidden])
    result = as_classroom(task, 0.5)
    demand_form({**result, "tests": [{**result["tests"][0], "score": 3.0}]})
    assert (result["status"], result["max_score"], result["tests"][0]["score"]) == ("fail", 6, 3)
    assert result["tests"][0]["message"] == "first: expected 1, got 2"
    assert as_classroom(task, 0.5, "line 3")["tests"][0]["message"] == "line 3"
    failed.outcome = "error"
    assert as_classroom(task, 0.5)["status"] == "error"


def test_make_github_writes_into_a_handout_only(tmp_path):
    def make(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "grading.github", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    missing = make("--lab", "3", "--to", str(tmp_path / "none"))
    assert missing.returncode == 2
    assert "make handout LAB=3 makes it" in missing.stderr
    assert "is not a handout" in make("--lab", "3", "--to", str(tmp_path)).stderr
    install({"labs/lab3_notes/lab.toml": b""}, tmp_path / "new")
    done = make("--lab", "3", "--to", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    written = tmp_path / "new" / ".github" / "workflows" / "classroom.yml"
    assert written.read_text(encoding="utf-8") == workflow(LAB)
    other = make("--lab", "2", "--to", str(tmp_path / "new"))
    assert other.returncode == 2
    assert "has no lab 2: labs in it are 3" in other.stderr
    assert written.read_text(encoding="utf-8") == workflow(LAB)
