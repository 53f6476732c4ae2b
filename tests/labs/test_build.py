"""Generated files: what they hold, that they are as committed, that no edit is ever lost."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from small_lab import make_lab

from labs.course.build import committed, generate, write_files
from labs.course.catalogue import Lab, all_labs
from labs.course.cells import notebook_source
from labs.course.definitions import definitions, unfinished
from labs.course.reset import main as reset
from toolkit.errors import EtudeError

NAMES = ["double", "shift", "Scale"]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path / "labs")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "built.json"


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def backups(lab: Lab) -> list[str]:
    return [path.read_text() for path in sorted(lab.folder.glob("*.backup"))]


@pytest.mark.parametrize("real", all_labs(), ids=lambda lab: lab.slug)
def test_generated_files_are_as_committed(real):
    """A student's edits never fail this: HEAD counts; a maintainer's fresh build counts too."""
    for path, text in generate(real).items():
        head = committed(path)
        if head is None:
            pytest.skip(f"git's HEAD has no {path.name}")
        present = path.read_bytes() if path.is_file() else b""
        assert text.encode() in (head, present), f"{path.name} is stale: make build"


def test_the_same_source_gives_the_same_bytes_in_any_process(lab):
    program = (
        "import sys; from pathlib import Path; from labs.course.build import generate;"
        "from labs.course.catalogue import load_lab;"
        "sys.stdout.write(''.join(generate(load_lab(9, Path(sys.argv[1]))).values()))"
    )
    command = [sys.executable, "-c", program, str(lab.folder.parent)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert child.stdout == "".join(generate(lab).values())


def test_a_notebook_has_a_stub_and_a_check_for_each_task(lab):
    text = generate(lab)[lab.notebook_file]
    made = nbformat.reads(text, as_version=4)
    nbformat.validate(made)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    checks = [place for place, source in enumerate(code) if source.startswith("check(")]
    assert [code[place] for place in checks] == ['check("9.1")', 'check("9.2")', 'check("9.3")']
    for place, name in zip(checks, NAMES, strict=True):
        assert name in definitions(code[place - 1])
    assert len({cell.id for cell in made.cells}) == len(made.cells)
    assert "colab-badge.svg" in made.cells[0].source
    assert "labs.run 9" in code[-1]
    assert made.cells[2].source.startswith("# Lab 9: small\n\nYou double")
    ast.parse(code[0])


def test_a_cell_keeps_its_id_when_another_section_grows(lab):
    def ids() -> list[str]:
        cells = json.loads(generate(lab)[lab.notebook_file])["cells"]
        return [cell["id"] for cell in cells]

    before = ids()
    text = lab.solution_file.read_text()
    more = "# %% [markdown]\n# ## 9.3 Scale"
    lab.solution_file.write_text(text.replace(more, "# %% [markdown]\n# More.\n\n" + more))
    after = ids()
    assert len(after) == len(before) + 1
    assert set(before) < set(after)


def test_a_generated_notebook_is_an_unfinished_submission(lab):
    source, broken, _ = notebook_source(generate(lab)[lab.notebook_file])
    assert broken == {}
    assert unfinished(source, NAMES) == NAMES
    names: dict = {}
    exec(source, names)
    assert names["STEP"] == 10
    assert "check" not in names


def test_the_readme_says_what_you_build_points_and_figures(lab):
    text = generate(lab)[lab.folder / "README.md"]
    assert text.startswith("# Lab 9: small\n\nYou double, shift and scale.\n")
    assert "| 9.2 | `shift` | Return 2x + STEP. | 30 |" in text
    assert "| loss | validation loss, nats a token | at most 1.5 | `make lab9` |" in text


def test_a_solution_that_does_not_fit_is_one_sentence(lab):
    text = lab.solution_file.read_text()
    lab.solution_file.write_text(text.replace("    # END SOLUTION\n", "", 1))
    with pytest.raises(EtudeError, match=r"solution\.py: line \d+: BEGIN SOLUTION inside"):
        generate(lab)
    lab.solution_file.write_text(text.replace("\n\n# %%\ndef shift", "\n\ndef shift"))
    with pytest.raises(EtudeError, match="double and shift share a cell"):
        generate(lab)
    lab.solution_file.write_text("def f(:\n")
    with pytest.raises(EtudeError, match=r"solution\.py:1"):
        generate(lab)


# Edits


def test_an_edit_is_kept_unless_forced_and_then_backed_up(lab, record):
    files = generate(lab)
    assert write_files(files, False, record) == list(files)
    assert write_files(files, False, record) == []
    lab.tasks_file.write_text("# mine\n")
    lab.notebook_file.unlink()
    with pytest.raises(EtudeError, match=r"tasks\.py would lose edits.*FORCE=1"):
        write_files(files, False, record)
    assert lab.tasks_file.read_text() == "# mine\n"
    assert lab.notebook_file.is_file(), "the others are made all the same"
    assert write_files(files, True, record) == [lab.tasks_file]
    assert lab.tasks_file.read_text() == files[lab.tasks_file]
    assert backups(lab) == ["# mine\n"]


def test_what_was_generated_or_committed_is_replaced_without_asking(lab, record):
    write_files(generate(lab), False, record)
    text = lab.solution_file.read_text()
    lab.solution_file.write_text(text.replace("You double", "You triple"))
    assert len(write_files(generate(lab), False, record)) == 3, "generated before"
    git(lab.folder.parent, "init", "-q")
    git(lab.folder.parent, "add", ".")
    git(lab.folder.parent, "commit", "-qm", "a")
    record.unlink()
    lab.solution_file.write_text(text)
    assert len(write_files(generate(lab), False, record)) == 3, "as in HEAD"
    assert backups(lab) == []


def test_without_git_or_record_a_file_counts_as_edited(lab, record):
    write_files(generate(lab), False, record)
    record.unlink()
    lab.solution_file.write_text(lab.solution_file.read_text().replace("double,", "treble,"))
    with pytest.raises(EtudeError, match=r"tasks\.py"):
        write_files(generate(lab), False, record)


# Reset


@pytest.fixture
def reset_task(lab, record, monkeypatch):
    """Run `make reset` in the small lab."""
    monkeypatch.setattr("labs.course.catalogue.LABS", lab.folder.parent)
    write_files(generate(lab), False, record)

    def run(task: str) -> None:
        monkeypatch.setattr(sys, "argv", ["reset", "--task", task])
        reset()

    return run


def test_reset_puts_one_stub_back_and_changes_no_other_line(lab, reset_task):
    fresh = lab.tasks_file.read_text()
    mine = fresh.replace('raise NotImplementedError("9.1")', "return 1  # mine")
    both = mine.replace('raise NotImplementedError("9.2")', "a = 1\n    b = 2\n    return a")
    lab.tasks_file.write_text(both)
    reset_task("9.2")
    assert lab.tasks_file.read_text() == mine
    assert backups(lab) == [both]
    reset_task("9.2")
    assert backups(lab) == [both], "nothing to do, nothing to back up"


@pytest.mark.parametrize(
    "broken", ["    return (1\n", "    x = = 3\n\n    return x\n", "    pass\n  pass\n"]
)
def test_reset_mends_a_function_that_is_not_python(lab, reset_task, broken):
    fresh = lab.tasks_file.read_text()
    stub = '    raise NotImplementedError("9.2")\n'
    assert stub in fresh
    lab.tasks_file.write_text(fresh.replace(stub, broken))
    reset_task("9.2")
    assert lab.tasks_file.read_text() == fresh


def test_reset_brings_a_deleted_function_back(lab, reset_task):
    lab.tasks_file.write_text("x = 1\n")
    reset_task("9.1")
    assert lab.tasks_file.read_text().startswith("x = 1\n\n\ndef double(x: int) -> int:\n")
    lab.tasks_file.unlink()
    reset_task("9.1")
    assert unfinished(lab.tasks_file.read_text(), NAMES) == NAMES


def test_reset_names_the_tasks_there_are(reset_task):
    with pytest.raises(EtudeError, match=r"task 9\.7: lab 9 has 9\.1 … 9\.3"):
        reset_task("9.7")
    with pytest.raises(EtudeError, match=r"named like 3\.4"):
        reset_task("double")
    with pytest.raises(EtudeError, match=r"which task\? make reset TASK=3\.4"):
        reset_task("")
