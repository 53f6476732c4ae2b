"""The handout: holds no answer, grades without a solution, and an update keeps a student's work."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grading.core.collect import collect
from grading.core.passes import OWN_CHAIN, run_check
from grading.core.reference import NotRecordedError, Reference
from grading.core.results import LabResult
from grading.core.session import Session
from grading.doors.handout import for_lab, handout, main, without_rules
from grading.proofs.bank import entries
from labs.course.build import looks, stub_file
from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.definitions import definitions
from labs.course.update import MANIFEST, install, read_handout
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("handout")
LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
TASKS = "labs/lab3_notes/tasks.py"
LONG = 30  # characters: shorter lines, as `for piece in pieces:`, are anybody's
ANYBODYS = {
    'with np.errstate(over="ignore"):',
    "old_states, new_states = [], []",
    "rng = np.random.default_rng(seed)",
    'if architecture == "transformer":',
    "for begin in range(0, steps, slots):",
    "cache, state = model.move(cache, state)",
    "if self.positions is not None:",
    "done = ops.logical_or(done, ops.equal(last, END))",
    'primers = ops.cast(primers, "int32")',
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return handout([LAB])


@pytest.fixture
def copy(files, tmp_path) -> Path:
    install(files, tmp_path / "handout")
    return tmp_path / "handout"


def command(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a module as `make` does, in a handout."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True
    )


def solution_lines(lab: Lab) -> set[str]:
    """Lines of a lab's solution blocks that say something."""
    found, inside = set(), False
    for line in map(str.strip, lab.solution_file.read_text(encoding="utf-8").splitlines()):
        if line in ("# BEGIN SOLUTION", "# END SOLUTION"):
            inside = line == "# BEGIN SOLUTION"
        elif inside and len(line) >= LONG:
            found.add(line)
    return found - ANYBODYS


def lines_found(lines: set[str], files: dict[str, bytes]) -> list[str]:
    """Where one of `lines` stands; hints are nearly answers on purpose."""
    return [
        f"{name}: {line}"
        for name, content in files.items()
        if not name.endswith("lab.toml")
        for line in lines
        if line.encode() in content or json.dumps(line)[1:-1].encode() in content
    ]


def test_a_folder_that_cannot_be_written_is_told_before_the_solutions_are_asked(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    for to, sentence in (
        ("file", "File exists"),
        ("file/x", "Not a directory"),
        ("other", "is not a handout"),
    ):
        done = command(ROOT, "grading.handout", "--lab", "3", "--to", str(tmp_path / to))
        assert (done.returncode, done.stdout) == (2, "")
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_command_to_try_a_handout_can_be_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("grading.doors.handout.handout", lambda labs: {})
    folder = tmp_path / "a new handout"
    monkeypatch.setattr(sys, "argv", ["handout", "--lab", "3", "--to", str(folder)])
    monkeypatch.setattr(console.console, "_file", None)
    main()
    out = capsys.readouterr().out
    assert "public checks of 1 lab ..." in out
    assert f"cd '{folder}' && make grade" in out


# What is in it


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)
def test_the_students_page_speaks_of_a_lab_that_is_there(lab):
    page = for_lab((ROOT / "docs" / "student.md").read_text(encoding="utf-8"), lab)
    assert set(re.findall(r"(?i)\blab=?(\d)", page)) == {str(lab.number)}
    assert f"labs/{lab.slug}/tasks.py" in page
    named = set(re.findall(r"\b(\d\.\d+)\b", page)) - {"3.11", "3.12", "3.13"}
    (shown,) = {lab.task(id) for id in re.findall(r'show(?: TASK=|\(")(\d\.\d+)', page)}
    assert named == {f"{lab.number}.{place}" for place in (4, 8, 9)} | {shown.id}
    assert named <= {task.id for task in lab.tasks}
    assert "show(" in looks(lab, shown)
    assert shown.answer
    assert "Python 3.11, 3.12 or 3.13" in page


def test_no_line_of_a_solution_is_in_a_handout(files, monkeypatch):
    monkeypatch.setattr("grading.doors.handout.recorded_answers", lambda lab: "")
    every_lab = handout(all_labs())
    for lab in all_labs():
        lines = solution_lines(lab)
        assert len(lines) > 20
        assert lines_found(lines, files) == []
        # a later lab gives what an earlier one asks for; labs are handed out in their order
        later = tuple(f"labs/{one.slug}/" for one in all_labs() if one.number > lab.number)
        theirs = {name: text for name, text in every_lab.items() if not name.startswith(later)}
        assert lines_found(lines, theirs) == []


def test_the_search_finds_a_line_in_a_source_and_in_a_notebook(files):
    line = max(solution_lines(LAB), key=len)
    notebook = json.dumps({"source": [f"    {line}\n"]}).encode()
    found = lines_found(solution_lines(LAB), {"a.py": line.encode(), "b.ipynb": notebook})
    assert found == [f"a.py: {line}", f"b.ipynb: {line}"]


def test_only_what_students_need_is_in_a_handout(files):
    for name in files:
        parts = Path(name).parts
        assert not {"hidden", "bank", "tests", "benchmarks", "__pycache__"} & set(parts), name
        assert Path(name).name not in ("solution.py", "bank.py", "handout.py", "instructor.md")
        assert name != "grading/checks/hidden.py"  # bodies of hidden checks
        assert not name.startswith(("labs/lab1", "labs/lab2", "grading/lab1", "grading/lab2")), name
    stubs = stub_file(LAB).encode()
    assert files[TASKS] == files["labs/lab3_notes/stubs.py"] == stubs
    in_a_notebook = {
        "grading/doors/notebook.py",
        "grading/doors/templates/verdict.html",
        "toolkit/machine/colab.py",
    }
    assert in_a_notebook <= set(files)
    assert files["README.md"].startswith(b"# ")


ORACLES = {
    *("attend", "attention", "additive", "look_up", "relative_scores", "softmax"),
    *("nats_gradient", "nats_per_token", "filtered", "greedy", "search", "encode_events"),
}


def test_what_computes_an_answer_is_in_no_file_that_students_get():
    folder, left_out = ROOT / "grading", set()
    for path in folder.rglob("*.py"):
        found = set(definitions(path.read_text(encoding="utf-8"))) & ORACLES
        if path == folder / "checks" / "hidden.py" or path.parent.name == "hidden":
            left_out |= found
        elif "bank" not in path.parts:
            assert not found, path
    assert left_out == ORACLES


def test_the_makefile_of_a_handout_has_no_target_of_an_instructor(files):
    makefile = files["Makefile"].decode()
    for target in ("test", "verify", "build", "handout", "gradescope"):
        assert f"\n{target}:" not in makefile
    for target in ("grade", "watch", "submit", "update", "setup"):
        assert f"\n{target}:" in makefile
    assert "verify" not in makefile.split(".PHONY")[1]


def test_a_handout_offers_and_runs_the_labs_that_are_in_it(copy):
    listed = subprocess.run(["make"], cwd=copy, capture_output=True, text=True).stdout
    assert set(re.findall(r"make (lab\S+)", listed)) == {"lab3"}
    (copy / ".venv").symlink_to(sys.prefix)
    for target in ("lab4", "lab4-continue"):
        done = subprocess.run(["make", "READY=", target], cwd=copy, capture_output=True, text=True)
        assert done.returncode == 2
        assert "stopped: there is no lab 4: labs here are 3\n" in done.stderr


def test_what_students_read_names_no_command_that_they_lack(files):
    targets = set(re.findall(r"^([\w-]+):", files["Makefile"].decode(), re.MULTILINE))
    pages = {name: text.decode() for name, text in files.items() if name.endswith(".md")}
    assert {"README.md", "labs/lab3_notes/README.md"} <= set(pages)
    for name, page in pages.items():
        assert set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", page, re.MULTILINE)) <= targets, name
        for theirs in ("CODE=solution", "solution.py", "lab.toml", "a handout", "make build"):
            assert theirs not in page, name
        for module in re.findall(r"python -m ([\w.]+)", page):
            assert module == "pytest" or f"{module.replace('.', '/')}.py" in files, name


def test_a_rule_is_left_out_whole():
    text = "a: b ## |x\n\tcommand\n\ntest: c\n\tother\n\n.PHONY: a test\n"
    assert without_rules(text, ("test",)) == "a: b ## |x\n\tcommand\n\n.PHONY: a\n"


# Grading without a solution


def test_a_fresh_copy_grades_as_not_started(copy):
    done = command(copy, "pytest", "grading")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("not started") == len(LAB.tasks)
    assert "0 of 60 public; 40 graded by your instructor" in done.stdout


def test_a_solved_file_passes_and_no_solution_is_asked(copy):
    (copy / TASKS).write_text(SOLUTION, encoding="utf-8")
    done = command(copy, "pytest", "grading", "--lab", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 of 60 public; 40 graded by your instructor" in done.stdout
    assert "make submit LAB=3" in done.stdout


def test_what_a_handout_lacks_is_told_in_a_sentence(copy):
    done = command(copy, "pytest", "grading", "--lab", "3", "--code", "solution")
    assert done.returncode == 4
    assert "this copy of the course has no solution of lab 3" in done.stderr
    (copy / "grading/lab3/answers.json").write_text("{")
    done = command(copy, "pytest", "grading", "--task", "3.3")
    assert done.returncode == 4
    assert "answers.json is missing or damaged" in done.stderr


@pytest.mark.verify
def test_an_experiment_stops_at_the_first_function_it_needs(copy):
    done = command(copy, "labs.run", "3")
    assert done.returncode == 2
    assert f"score_to_tokens (task 3.1) is not written yet: {TASKS}:" in done.stderr


@pytest.fixture(scope="module")
def recorded(files, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "answers.json"
    path.write_bytes(files["grading/lab3/answers.json"])
    return path


def from_record(lab: Lab, answers: Path, code: Path, task_id: str) -> LabResult:
    """Grade a task's public checks as in a handout."""
    checks = [(check, test) for check, test in collect(lab) if not check.hidden]
    session = Session(lab, str(code), [check for check, _ in checks])
    session.reference, session.solution = Reference.recorded(answers), None
    for check, test in checks:
        if check.task == task_id:
            with contextlib.suppress(NotRecordedError):
                run_check(session, check.name, test)
    session.close()
    return session.result


def unrecorded(lab: Lab, answers: Path, code: Path) -> list[str]:
    """Public checks of a submission that ask the solution what was not recorded."""
    task_id = ".".join(code.stem.split("_")[:2])
    return [
        f"{code.stem}: {check.name}: {check.message}"
        for check in from_record(lab, answers, code, task_id).task(task_id).checks
        if check.outcome == "error"
    ]


def test_a_task_alone_is_left_to_the_instructor(recorded, tmp_path):
    path = tmp_path / "tasks.py"
    nothing = "def sample_next(*args, **kwargs):\n    return None\n\n\ndef another("
    path.write_text(SOLUTION.replace("def sample_next(", nothing), encoding="utf-8")
    task = from_record(LAB, recorded, path, "3.9").task("3.9")
    assert task.outcome == "failed"
    assert [OWN_CHAIN in check.message for check in task.checks].count(True) == 1


def test_a_question_that_was_not_recorded_is_the_graders_error(tmp_path):
    (tmp_path / "answers.json").write_text("{}")
    path = tmp_path / "3_3_solution.py"
    path.write_text(SOLUTION, encoding="utf-8")
    missing = unrecorded(LAB, tmp_path / "answers.json", path)
    assert missing
    assert all("not among those recorded" in one for one in missing)


@pytest.mark.parametrize("name", ["3_2_inserted_in_measures", "3_5_gru"])
def test_no_public_check_asks_what_depends_on_the_submission(name, recorded, tmp_path):
    (entry,) = (entry for entry in entries(LAB) if entry.name == name)
    path = tmp_path / f"{name}.py"
    path.write_text(entry.source(), encoding="utf-8")
    assert unrecorded(LAB, recorded, path) == []


@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_a_fresh_copy_sets_itself_up(copy, trust):
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(copy.parent), **trust}
    done = subprocess.run(
        ["make", "setup", "grade"], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("not started") == len(LAB.tasks)


# Updating


def test_an_update_keeps_edited_work_and_brings_the_rest(files, copy):
    (copy / TASKS).write_text("mine")
    (copy / "labs/course/code.py").write_text("changed by accident")
    (copy / "notes.txt").write_text("my own")
    newer = dict(files)
    newer[TASKS] = newer["labs/lab3_notes/stubs.py"] = b"new stubs"
    newer["labs/lab3_notes/lab3.ipynb"] = b"new notebook"
    newer["labs/new.py"] = b"new"
    del newer["environment.yml"]
    changes = install(newer, copy)
    assert changes.kept == [TASKS]
    assert (copy / TASKS).read_text() == "mine"
    assert (copy / "labs/lab3_notes/lab3.ipynb").read_text() == "new notebook"
    assert (copy / "labs/lab3_notes/stubs.py").read_text() == "new stubs"
    assert (copy / "labs/course/code.py").read_bytes() == files["labs/course/code.py"]
    (backup,) = (copy / "labs" / "course").glob("code.py.*.backup")
    assert backup.read_text() == "changed by accident"
    assert (copy / "notes.txt").read_text() == "my own"
    assert changes.removed == ["environment.yml"]
    assert not (copy / "environment.yml").exists()
    assert install(newer, copy).written == []
    assert (copy / TASKS).read_text() == "mine"


def test_students_update_from_a_folder(files, copy, tmp_path):
    (copy / TASKS).write_text("mine")
    newer = tmp_path / "newer"
    install({**files, "labs/new.py": b"NEW = 1\n"}, newer)
    done = command(copy, "labs.update", "--from", str(newer))
    assert done.returncode == 0, done.stderr
    assert f"{TASKS} holds work and stays as it is" in done.stdout
    assert (copy / "labs/new.py").is_file()
    assert (copy / TASKS).read_text() == "mine"
    for source, sentence in (
        ("", "from where?"),
        (".", "is this folder"),
        ("labs", "not a handout"),
    ):
        done = command(copy, "labs.update", "--from", source)
        assert done.returncode == 2
        assert sentence in done.stderr


def test_a_damaged_or_hostile_handout_is_refused(copy, tmp_path):
    (copy / "labs/course/code.py").write_text("other")
    with pytest.raises(EtudeError, match=r"code\.py was changed"):
        read_handout(copy)
    (copy / MANIFEST).write_text(json.dumps({"../outside.py": "0"}))
    with pytest.raises(EtudeError, match="is not a handout"):
        read_handout(copy)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(EtudeError, match="is not a handout"):
        install({}, tmp_path / "other")


def test_a_stub_comes_back_from_the_handouts_own_copy(copy):
    (copy / TASKS).write_text(SOLUTION, encoding="utf-8")
    done = command(copy, "labs.reset", "--task", "3.3")
    assert done.returncode == 0, done.stderr
    assert 'NotImplementedError("3.3")' in (copy / TASKS).read_text(encoding="utf-8")


def test_the_course_itself_is_not_updated(monkeypatch):
    done = command(ROOT, "labs.update", "--from", "anywhere")
    assert done.returncode == 2
    assert "this is the course itself" in done.stderr
