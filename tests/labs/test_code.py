"""Whose code runs: yours, borrowed, the solution's; and every way a student's file can fail."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from small_lab import make_lab, task_ids

import labs.course.code
from labs.course.catalogue import Lab, all_labs, checks_hash, find_task, load_lab
from labs.course.code import load_tasks
from labs.course.definitions import definitions
from labs.course.stubs import stubbed
from toolkit.errors import EtudeError
from toolkit.paths import ROOT


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = make_lab(tmp_path)
    lab.tasks_file.write_text(stubbed(lab.solution_file.read_text(), task_ids(lab)))
    return lab


def edit(lab: Lab, before: str, after: str) -> None:
    text = lab.tasks_file.read_text()
    assert before in text
    lab.tasks_file.write_text(text.replace(before, after))


def write_double(lab: Lab, body: str = "return 100") -> None:
    edit(lab, 'raise NotImplementedError("9.1")', body)


# The catalogue


def test_the_catalogue_reads_labs_and_names_what_there_is(lab):
    assert [known.number for known in all_labs(lab.folder.parent)] == [9]
    assert lab.slug == "lab9_small"
    assert lab.task("9.2").builds_on == ("9.1",)
    assert find_task("9.3", lab.folder.parent)[1].name == "Scale"
    assert (lab.figures[0].direction, lab.figures[0].bound) == ("at_most", 1.5)
    assert lab.figures[0].met(1.5)
    assert not lab.figures[0].met(1.6)
    with pytest.raises(EtudeError, match="there is no lab 7: labs here are 9"):
        load_lab(7, lab.folder.parent)
    with pytest.raises(EtudeError, match=r"task 9\.44: lab 9 has 9\.1 … 9\.3"):
        find_task("9.44", lab.folder.parent)
    with pytest.raises(EtudeError, match=r"named like 3\.4"):
        find_task("double", lab.folder.parent)
    with pytest.raises(EtudeError, match=r'task 9\.1: write it in quotes, "9\.1"'):
        find_task(9.1, lab.folder.parent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("points = 40", "points = 41", "sum to 101"),
        ('hints = ["look", "closer", "2 * x"]', 'hints = ["look"]', "1 hints"),
        ('builds_on = ["9.1"]', 'builds_on = ["9.3"]', "builds on"),
        ('title = "Small"', "", "title"),
        ('id = "9.3"', 'id = "9.4"', "tasks are"),
        ("number = 9", "number = 8", "number 8"),
        ("number = 9", "number =", "lab.toml"),
        ("at_most = 1.5", "", "at_most"),
        ("points = 30", "points = 30\ncolour = 1", "colour"),
    ],
)
def test_a_wrong_lab_toml_is_one_sentence(lab, before, after, reason):
    path = lab.folder / "lab.toml"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(EtudeError, match=reason):
        load_lab(9, lab.folder.parent)


def test_the_hash_of_the_checks_follows_the_checks_that_everybody_has(lab, tmp_path):
    grading = tmp_path / "grading"
    for kind in ("public", "hidden"):
        (grading / "lab9" / kind).mkdir(parents=True)
        (grading / "lab9" / kind / "test_tasks.py").write_text("1")
    before = checks_hash(lab, grading)
    (grading / "lab9" / "hidden" / "test_tasks.py").write_text("2")
    (grading / "lab9" / "public" / "notes.txt").write_text("no check")
    assert checks_hash(lab, grading) == before
    (grading / "lab9" / "public" / "test_tasks.py").write_text("2")
    assert checks_hash(lab, grading) != before


# Whose code runs


def test_stubs_are_borrowed_and_named(lab):
    write_double(lab)
    tasks = load_tasks(lab)
    assert tasks.whose == {"9.1": "yours", "9.2": "borrowed", "9.3": "borrowed"}
    assert tasks.shift(1) == 110
    assert tasks.Scale(2)(3) == 6
    assert tasks.describe()[1] == ("9.2", "shift", "borrowed")
    task, place = tasks.first_unfinished()
    line = definitions(tasks.source)["shift"].line
    assert (task.id, place.endswith(f"tasks.py:{line}")) == ("9.2", True)


def test_the_solution_runs_throughout_on_request(lab):
    write_double(lab)
    tasks = load_tasks(lab, "solution")
    assert set(tasks.whose.values()) == {"solution"}
    assert tasks.shift(1) == 12
    assert tasks.first_unfinished() is None


def test_any_submission_runs_on_request(lab, tmp_path):
    path = tmp_path / "theirs.py"
    path.write_text("def double(x):\n    return 7\n")
    assert load_tasks(lab, path).shift(1) == 17


def test_a_handout_stops_at_the_first_missing_function_with_name_file_and_line(lab):
    write_double(lab)
    lab.solution_file.unlink()
    tasks = load_tasks(lab)
    assert tasks.double(1) == 100
    line = definitions(tasks.source)["shift"].line
    with pytest.raises(
        EtudeError, match=rf"shift \(task 9\.2\) is not written .*tasks\.py:{line}$"
    ):
        tasks.shift  # noqa: B018
    with pytest.raises(EtudeError, match="no solution of lab 9"):
        load_tasks(lab, "solution")


def test_a_stub_that_is_called_by_the_students_own_code_is_named(lab):
    edit(lab, 'raise NotImplementedError("9.2")', "return double(x) + 1")
    lab.solution_file.unlink()
    tasks = load_tasks(lab)
    with pytest.raises(NotImplementedError) as caught:
        tasks.shift(1)
    assert "double (task 9.1) is not written yet" in tasks.explain(caught.value)


def test_a_child_process_makes_the_functions_again_from_source(lab, tmp_path):
    write_double(lab)
    path = tmp_path / "tasks.pickle"
    path.write_bytes(pickle.dumps(load_tasks(lab)))
    program = f"import pickle; print(pickle.load(open({str(path)!r}, 'rb')).shift(1))"
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert child.stdout == "110\n", child.stderr


def test_a_dataclass_in_a_students_file_works(lab):
    write_double(lab)
    edit(lab, "import math", "from __future__ import annotations\nimport math\nimport dataclasses")
    edit(lab, "STEP = 10", "STEP = 10\n@dataclasses.dataclass\nclass Mine:\n    x: int = 3\n")
    assert load_tasks(lab).Mine().x == 3


# Students' mistakes


def test_a_renamed_function_is_borrowed_and_said(lab):
    edit(lab, "def double(", "def dubble(")
    tasks = load_tasks(lab)
    assert tasks.whose["9.1"] == "borrowed"
    assert tasks.shift(1) == 12
    assert "has no double (is it dubble now?)" in tasks.notes[0]
    lab.solution_file.unlink()
    with pytest.raises(EtudeError, match=r"has no double .* make reset TASK=9\.1"):
        load_tasks(lab).double  # noqa: B018


def test_a_syntax_error_is_told_with_file_and_line(lab):
    edit(lab, "STEP = 10", "STEP = = 10")
    with pytest.raises(EtudeError, match=r"tasks\.py:9: invalid syntax: Python cannot read"):
        load_tasks(lab)


def test_an_endless_loop_at_import_ends(lab, monkeypatch):
    monkeypatch.setattr(labs.course.code, "IMPORT_SECONDS", 0.2)
    body = "while True:\n    try:\n        pass\n    except Exception:\n        pass\n"
    edit(lab, "STEP = 10", body)
    with pytest.raises(EtudeError, match=r"did not finish loading in 0\.2 s"):
        load_tasks(lab)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("STEP = 1 / 0", r"tasks\.py:9, in <module>: ZeroDivisionError: division by zero"),
        ("import nothing_here", r"tasks\.py:9.*No module named 'nothing_here'"),
        ("raise SystemExit(3)", r"tasks\.py:9, in <module>: SystemExit: 3"),
        ("STEP = double(1)", r"double \(task 9\.1\) is not written yet|NameError"),
    ],
)
def test_a_file_that_fails_at_import_is_one_sentence(lab, line, reason):
    edit(lab, "STEP = 10", line)
    with pytest.raises(EtudeError, match=reason):
        load_tasks(lab)


def test_an_error_in_a_students_function_is_told_with_its_line(lab):
    write_double(lab, "return int('many\\nwords')")
    tasks = load_tasks(lab)
    with pytest.raises(ValueError, match="invalid literal") as caught:
        tasks.shift(1)
    place = f"tasks.py:{definitions(tasks.source)['double'].line + 2}, in double: ValueError: "
    assert place in tasks.explain(caught.value)
    assert tasks.explain(ValueError("elsewhere")) is None
