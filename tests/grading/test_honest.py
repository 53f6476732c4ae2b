"""Honest habits that cost nobody points: what stands at the top of a file and works in training."""

import pytest

from grading.core.run import grade
from grading.proofs.made_class import as_notebook
from labs.course.catalogue import all_labs
from labs.course.submission import read_submission

LABS = all_labs()
LAB = next(lab for lab in LABS if lab.number == 3)
HABITS = """
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("error")
np.seterr(all="raise")
DATA = Path(__file__).resolve().parent / "data"
assert DATA.parent.is_dir()
"""


def habitual(lab, folder, habits=HABITS):
    """The solution of a lab with habits of its author's."""
    path = folder / "tasks.py"
    path.write_text(lab.solution_file.read_text(encoding="utf-8") + habits, encoding="utf-8")
    return path


@pytest.mark.verify
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: f"lab{lab.number}")
def test_who_makes_errors_of_warnings_and_asks_for_the_files_place_keeps_all(lab, tmp_path):
    result = grade(lab, str(habitual(lab, tmp_path)), accept_open=True).result
    missed = [check for task in result.tasks for check in task.checks if check.outcome != "passed"]
    assert result.earned == pytest.approx(100), missed


def test_what_a_task_decides_while_it_is_called_ends_with_the_call(tmp_path):
    raising = "\ndef deciding(function):\n    def call(*args, **kwargs):\n"
    raising += "        warnings.simplefilter('error')\n        np.seterr(all='raise')\n"
    raising += "        return function(*args, **kwargs)\n    return call\n\n"
    raising += "build_note_lstm = deciding(build_note_lstm)\n"
    path = habitual(LAB, tmp_path, HABITS + raising)
    result = grade(LAB, str(path), tasks=["3.5"], public=True).result.task("3.5")
    assert {check.outcome for check in result.checks if not check.hidden} == {"passed"}


@pytest.mark.parametrize(
    "line",
    ["from labs.lab3_notes import experiment", "import my_helper", "import grading.core"],
)
def test_who_imports_what_is_not_there_is_told_what_is(line, tmp_path):
    path = habitual(LAB, tmp_path, f"\n{line}\n")
    result = grade(LAB, str(path), tasks=["3.3"], public=True).result.task("3.3")
    messages = {check.message for check in result.checks if not check.hidden}
    assert all("but not labs, grading or your other files" in one for one in messages)
    assert result.earned == 0


def test_the_toolkit_may_be_imported(tmp_path):
    path = habitual(LAB, tmp_path, "\nfrom toolkit import plots\n")
    result = grade(LAB, str(path), tasks=["3.3"], public=True).result.task("3.3")
    assert {check.outcome for check in result.checks if not check.hidden} == {"passed"}


def test_a_notebook_keeps_no_import_of_the_course(tmp_path):
    path = tmp_path / "lab3.ipynb"
    lines = "import labs.lab3_notes.experiment as one\nimport grading, labs\n"
    path.write_text(as_notebook(f"{lines}from labs.notebook import check\nimport json\n"))
    kept = [line for line in read_submission(path).source.split("\n") if "import" in line]
    assert kept == ["import json"]
