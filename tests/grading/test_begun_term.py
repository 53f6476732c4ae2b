"""A term that began before the rooms were made goes on: old handout, student's notebook, update."""

import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from filled_notebook import executed, printed, solution_answers, verdicts

from labs.course.catalogue import load_lab
from toolkit.paths import ROOT

LAB = load_lab(3)
# the last commit whose modules stood at the top of toolkit, labs and grading
BEGUN = "7641e1ed4ce5ce29e02c04a841000e213eaf0a24"
SMALL = "epochs=1 steps_per_epoch=2 max_pieces=16 samples=1 max_length=64 temperatures=1"


# what check() did then: it wrote a notebook's definitions into tasks.py
SAVE = """
import json
from labs.catalogue import load_lab
from labs.notebook import save
lab = load_lab(3)
cells = json.loads(lab.notebook_file.read_text(encoding="utf-8"))["cells"]
assert save(lab, ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"])
"""


def run(folder: Path, *words: str) -> str:
    """Run a module of the course in a folder; what it printed."""
    return run_python(folder, "-m", *words)


def run_python(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def begun(tmp_path):
    """A handout of Lab 3 as it was made then."""
    old = tmp_path / "course"
    clone = ["git", "clone", "--quiet", "--shared", str(ROOT), str(old)]
    if subprocess.run(clone, capture_output=True).returncode:
        pytest.skip("this is no git checkout")
    checkout = ["git", "checkout", "--quiet", BEGUN]
    if subprocess.run(checkout, cwd=old, capture_output=True).returncode:
        pytest.skip(f"the history here does not reach back to {BEGUN[:7]}")
    run(old, "grading.handout", "--lab", "3", "--to", str(tmp_path / "student"))
    return tmp_path / "student"


@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_a_notebook_of_then_is_checked_trained_and_handed_in_now(begun, tmp_path):
    place = begun / "labs" / LAB.slug / LAB.notebook_file.name
    book = nbformat.read(place, as_version=4)
    answers = solution_answers(LAB)
    for cell in book.cells:
        mark = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if mark.startswith("task_"):
            cell.source = answers[mark.removeprefix("task_").replace("_", ".")]
        elif cell.source.startswith("!"):
            cell.source += f' --set "{SMALL}"'
    nbformat.write(book, place)
    run_python(begun, "-c", SAVE)
    tasks = (begun / "labs" / LAB.slug / "tasks.py").read_bytes()
    run(ROOT, "grading.handout", "--lab", "3", "--to", str(tmp_path / "newer"))
    told = run(begun, "labs.update", "--from", str(tmp_path / "newer"))
    assert f"labs/{LAB.slug}/{LAB.notebook_file.name} holds work" in " ".join(told.split())
    assert (begun / "grading" / "core").is_dir()
    assert not (begun / "grading" / "session.py").exists()
    book = executed(nbformat.read(place, as_version=4), LAB, begun)
    public = {task: points for task, (points, _) in verdicts(book).items()}
    assert public == pytest.approx({task.id: 0.6 * task.points for task in LAB.tasks})
    assert "report.html" in printed(book, "!")
    assert (begun / "labs" / LAB.slug / "tasks.py").read_bytes() == tasks
    assert "60 of 60" in run(begun, "grading.submit", "--lab", "3")
    with zipfile.ZipFile(begun / "submissions" / "lab3.zip") as handed:
        assert handed.read(LAB.notebook_file.name) == place.read_bytes()
