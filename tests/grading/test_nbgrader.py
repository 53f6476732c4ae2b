"""The notebooks in nbgrader: metadata of version 3, and checks whose value is their score."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs.course.build import nbgrader, notebook, stub_file
from labs.course.catalogue import all_labs, load_lab
from labs.course.notebook import _Grader, check
from toolkit.paths import ROOT

LABS = pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)
PROGRAM = """
import json, sys
from nbgrader import nbgraderformat, utils
for name in sys.argv[1:]:
    book = nbgraderformat.read(name, as_version=4)  # raises if the metadata are not valid
    marked = [cell for cell in book.cells if "nbgrader" in cell.metadata]
    json.dump({
        "solutions": sum(map(utils.is_solution, marked)),
        "grades": sum(map(utils.is_grade, marked)),
        "locked": sum(map(utils.is_locked, marked)),
        "points": sum(utils.determine_grade(c)[1] for c in marked if utils.is_grade(c)),
    }, sys.stdout)
    print()
"""


@LABS
def test_each_task_is_a_solution_cell_followed_by_its_graded_check(lab):
    cells = json.loads(notebook(lab, stub_file(lab)))["cells"]
    marked = [cell for cell in cells if "nbgrader" in cell["metadata"]]
    pairs = list(zip(marked[::2], marked[1::2], strict=True))
    assert len(pairs) == len(lab.tasks)
    for task, (stub, checked) in zip(lab.tasks, pairs, strict=True):
        source = "".join(stub["source"])
        assert re.search(rf"^(def|class) {task.name}\b", source, re.MULTILINE)
        assert "".join(checked["source"]) == f'check("{task.id}")'
        assert stub["metadata"]["nbgrader"] == nbgrader("task", task)
        assert checked["metadata"]["nbgrader"] == nbgrader("check", task)
    ids = [cell["metadata"]["nbgrader"]["grade_id"] for cell in marked]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", name) for name in ids)
    points = [cell["metadata"]["nbgrader"].get("points", 0) for cell in marked]
    assert sum(points) == 100


@pytest.mark.xdist_group("handout")
def test_a_check_in_nbgrader_gives_the_points_of_what_the_kernel_ran(monkeypatch, capsys, tmp_path):
    lab = load_lab(3)
    solution = lab.solution_file.read_text(encoding="utf-8")
    history = tmp_path / "history.json"
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("ETUDE_HISTORY", str(history))
    monkeypatch.setattr("labs.course.notebook._grader", _Grader())
    points = []
    for cell in (solution, stub_file(lab), "def build_vocabulary(:", ""):
        history.write_text(json.dumps(["", cell]))
        points.append(check("3.3"))
    assert points == [8, 0, 0, 0]
    assert "not started" in capsys.readouterr().out


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_nbgrader_itself_takes_the_notebooks(tmp_path):
    """In an environment of its own: nbgrader brings a server that Etude does not need."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "environment"], check=True)
    python = tmp_path / "environment" / "bin" / "python"
    install = [python, "-m", "pip", "--quiet", "install", "nbgrader==0.9.6"]
    subprocess.run(install, check=True)
    books: list[Path] = []
    for lab in all_labs():
        books.append(tmp_path / lab.notebook_file.name)
        books[-1].write_text(notebook(lab, stub_file(lab)), encoding="utf-8")
    done = subprocess.run(
        [python, "-c", PROGRAM, *books], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for lab, line in zip(all_labs(), done.stdout.splitlines(), strict=True):
        count = len(lab.tasks)
        expected = {"solutions": count, "grades": count, "locked": count, "points": 100.0}
        assert json.loads(line) == expected
