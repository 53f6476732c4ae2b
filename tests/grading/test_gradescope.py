"""The Gradescope zip: its scripts in Gradescope's layout, and results of the documented form."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

from grading.core.collect import collect
from grading.core.processes import zygote
from grading.core.session import Session
from grading.doors import gradescope
from grading.doors.gradescope import (
    VISIBILITIES,
    as_results,
    build,
    find_file,
    not_graded,
    student_of,
)
from grading.proofs.made_class import as_notebook
from grading.sandbox.isolation import Isolation
from labs.course.build import stub_file
from labs.course.catalogue import load_lab
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("handout")
LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
USERS = {"users": [{"email": "zoe@x.org", "id": 1}, {"email": "al@x.org", "id": 2}]}

# https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["score", "max_score", "name", "status"],
    "properties": {
        "score": {"type": "number", "minimum": 0},
        "max_score": {"type": "number", "exclusiveMinimum": 0},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string", "minLength": 1},
        "name_format": FORMAT,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "visibility": VISIBILITY,
        "extra_data": {"type": "object"},
    },
}
RESULTS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tests"],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number", "minimum": 0},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST, "minItems": 1},
        "leaderboard": {"type": "array"},
    },
}


@pytest.fixture
def unpacked(tmp_path):
    """Gradescope's folder, the zip unpacked, some checks left out, and the present environment."""

    def unpack(few: tuple[str, ...] = ()) -> Path:
        base = tmp_path / "autograder"
        path = build(LAB, "after_due_date", "a secret", tmp_path)
        for name in ("source", "submission", "results"):
            (base / name).mkdir(parents=True)
        subprocess.run(["unzip", "-q", path, "-d", base / "source"], check=True)
        (base / "run_autograder").write_bytes((base / "source" / "run_autograder").read_bytes())
        (base / "run_autograder").chmod(0o755)
        (base / "submission_metadata.json").write_text(json.dumps(USERS))
        if few:
            keep_checks(base / "source" / "etude" / "grading" / "lab3", few)
        return base

    return unpack


def keep_checks(folder: Path, tasks: tuple[str, ...]) -> None:
    """Leave out all checks but those of some tasks, so that a test takes seconds."""
    for path in folder.glob("*/test_*.py"):
        head, *checks = path.read_text(encoding="utf-8").split("\n@check(")
        kept = [text for text in checks if text.startswith(tuple(f'"{task}"' for task in tasks))]
        path.write_text("\n@check(".join([head, *kept]), encoding="utf-8")


def run(base: Path) -> dict:
    """Run `run_autograder` and read what Gradescope would."""
    environment = {"PATH": "/usr/bin:/bin", "AUTOGRADER": str(base)}
    done = subprocess.run(
        [base / "run_autograder"], cwd="/", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((base / "results" / "results.json").read_text())
    jsonschema.validate(results, RESULTS)
    return results


def test_the_zip_holds_scripts_checks_and_solution_but_no_bank(tmp_path):
    path = build(LAB, "visible", "a secret", tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        settings = json.loads(archive.read("etude/autograder.json"))
    assert modes["run_autograder"] & 0o111
    assert modes["setup.sh"] & 0o111
    assert settings == {
        "lab": 3,
        "hidden": "visible",
        "secret": "a secret",
        "accept_open": False,
    }
    assert "etude/labs/lab3_notes/solution.py" in names
    assert any(name.startswith("etude/grading/lab3/hidden/") for name in names)
    for part in ("bank/", "tests/", "lab1", "lab2", "__pycache__"):
        assert not any(part in name for name in names), part
    assert build(LAB, "visible", "a secret", tmp_path).read_bytes() == path.read_bytes()


def test_bad_choices_are_one_sentence(tmp_path):
    with pytest.raises(EtudeError, match=r"HIDDEN=often: choose one of after_published"):
        build(LAB, "often", "", tmp_path)
    for words, sentence in (
        ([], "which lab? make gradescope LAB=3"),
        (["--lab", "x"], "there is no lab x"),
        (["--lab", "3", "--hidden", "often"], "HIDDEN=often"),
    ):
        command = [sys.executable, "-m", "grading.gradescope", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert sentence in done.stderr


def test_the_scripts_are_shell():
    for script in (gradescope.SETUP, gradescope.RUN):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_a_submission_is_graded_in_gradescopes_layout(unpacked):
    base = unpacked(("3.3", "3.4"))
    (base / "environment").symlink_to(sys.prefix)
    wrong = SOLUTION.replace("(-counts[token], token)", "(counts[token], token)")
    assert wrong != SOLUTION
    (base / "submission" / "tasks.py").write_text(wrong, encoding="utf-8")
    results = run(base)
    tests = {(test["number"], test["visibility"]): test for test in results["tests"]}
    assert tests["3.4", "visible"]["score"] == 7.2
    assert tests["3.4", "after_due_date"]["score"] == 4.8
    failed = tests["3.3", "visible"]
    assert failed["status"] == "failed"
    assert failed["score"] < failed["max_score"] == 4.8
    assert "expected ['PAD', 'START'" in failed["output"]
    assert "expected" not in tests["3.3", "after_due_date"]["output"]
    assert gradescope.UNFINISHED not in results["output"]


def test_nothing_handed_in_is_told_and_the_points_stay(unpacked):
    base = unpacked(("3.3",))
    (base / "environment").symlink_to(sys.prefix)
    (base / "submission" / "essay.pdf").write_text("x")
    results = run(base)
    assert "there is no tasks.py in what was handed in (essay.pdf)" in results["output"]
    assert [test["score"] for test in results["tests"]] == [0, 0]
    assert sum(test["max_score"] for test in results["tests"]) == pytest.approx(8)


def test_results_name_every_task_before_anything_ran(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(stub_file(LAB), encoding="utf-8")
    session = Session(LAB, str(path), [check for check, _ in collect(LAB)])
    results = as_results(session, "hidden", [gradescope.UNFINISHED])
    session.close()
    jsonschema.validate(results, RESULTS)
    assert len(results["tests"]) == 2 * len(LAB.tasks)
    assert sum(test["max_score"] for test in results["tests"]) == pytest.approx(100)
    assert sum(test["score"] for test in results["tests"]) == 0
    assert {test["status"] for test in results["tests"]} == {"failed"}
    assert results["output"].startswith(gradescope.UNFINISHED)


@pytest.mark.parametrize("accepted", [False, True])
def test_where_nothing_keeps_a_submission_in_hidden_checks_need_acceptance(
    tmp_path, monkeypatch, accepted
):
    settings = {"lab": 3, "hidden": "visible", "secret": "a secret", "accept_open": accepted}
    (tmp_path / gradescope.SETTINGS).write_text(json.dumps(settings))
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "tasks.py").write_text(stub_file(LAB), encoding="utf-8")
    monkeypatch.setattr(gradescope, "ROOT", tmp_path)
    monkeypatch.setattr(zygote(LAB), "isolation", Isolation("open", (), "open (a test)"))
    monkeypatch.setenv("ETUDE_SECRET", "")
    results = json.loads(gradescope.grade_submission(tmp_path).read_text())
    jsonschema.validate(results, RESULTS)
    assert ("ACCEPT_OPEN=1" in results["output"]) == (not accepted)
    hidden = [test for test in results["tests"] if "hidden" in test["name"]]
    assert all(("not run" in test["output"]) == (not accepted) for test in hidden)


def test_the_file_is_found_where_students_put_it(tmp_path):
    def found(*names: str) -> tuple[str, str | None]:
        folder = tmp_path / "-".join(names or ["none"]).replace("/", "_")
        folder.mkdir()
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        path, problem = find_file(folder, LAB)
        return str(path.relative_to(folder)), problem

    assert found("tasks.py", "lab3.ipynb", "result.json") == ("tasks.py", None)
    assert found("lab3.ipynb") == ("lab3.ipynb", None)
    assert found("labs/lab3_notes/tasks.py", "conftest.py") == ("labs/lab3_notes/tasks.py", None)
    assert found("my_solution.py", "notes.txt") == ("my_solution.py", None)
    assert found("labs/lab3_notes/lab3.ipynb")[0] == "labs/lab3_notes/lab3.ipynb"
    for several in (("a.py", "b.py"), ()):
        assert "hand in tasks.py" in str(found(*several)[1])


def test_of_a_notebook_and_a_file_the_one_with_more_written_is_graded(tmp_path):
    stub = 'def f():\n    raise NotImplementedError("3.4")\n'
    for written, other in (("tasks.py", "lab3.ipynb"), ("lab3.ipynb", "tasks.py")):
        (tmp_path / written).write_text("x = 1\n")
        (tmp_path / other).write_text(stub)
        path, _ = find_file(tmp_path, LAB)
        assert path.name == written
        assert not_graded(path, LAB) == []
    (tmp_path / "tasks.py").write_text(stub * 2 + stub.replace("3.4", "3.5"))
    (tmp_path / "lab3.ipynb").write_text(stub.replace("3.4", "3.1"))
    path, _ = find_file(tmp_path, LAB)
    assert not_graded(path, LAB) == ["tasks.py was not graded, but has 3.1, lab3.ipynb has not"]


def test_the_report_says_in_what_a_notebook_beside_the_graded_file_differs(tmp_path):
    changed = SOLUTION.replace("# BEGIN SOLUTION\n", "another = 1\n", 1)
    first = LAB.tasks[0].id
    for name, text in (("tasks.py", SOLUTION), ("lab3.ipynb", as_notebook(changed))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    path, _ = find_file(tmp_path, LAB)
    session = Session(LAB, str(path), [])
    (told,) = session.not_alike(tmp_path / "lab3.ipynb")
    assert told.startswith("tasks.py was graded; lab3.ipynb, which was handed in too, differs")
    assert f"from it in {first}: hand in" in told
    (tmp_path / "lab3.ipynb").write_text(as_notebook(SOLUTION), encoding="utf-8")
    assert session.not_alike(tmp_path / "lab3.ipynb") == []
    (tmp_path / "lab3.ipynb").write_text("no notebook")
    assert session.not_alike(tmp_path / "lab3.ipynb") == []


def test_a_pair_is_one_student_in_any_order(tmp_path):
    metadata = tmp_path / "submission_metadata.json"
    assert student_of(metadata) == "local"
    for users in (USERS["users"], USERS["users"][::-1]):
        metadata.write_text(json.dumps({"users": users}))
        assert student_of(metadata) == "al@x.org+zoe@x.org"
    metadata.write_text('{"users": [{"email": "\\ud800"}]}')
    assert student_of(metadata).encode()


def test_the_choices_are_gradescopes():
    assert set(VISIBILITIES) == set(VISIBILITY["enum"])


@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_the_zip_sets_itself_up_and_grades_in_a_clean_environment(unpacked, trust):
    base = unpacked()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "AUTOGRADER": str(base)}
    subprocess.run(["sh", base / "source" / "setup.sh"], env=environment | trust, check=True)
    (base / "submission" / "tasks.py").write_text(SOLUTION, encoding="utf-8")
    results = run(base)
    assert sum(test["score"] for test in results["tests"]) == pytest.approx(100)
    assert {test["status"] for test in results["tests"]} == {"passed"}
