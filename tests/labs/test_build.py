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
from labs.course.notebook import save
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
    source, broken = notebook_source(generate(lab)[lab.notebook_file])
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


# Saving from a notebook


def test_a_notebook_saves_what_is_finished_and_keeps_the_rest(lab, record):
    write_files(generate(lab), False, record)
    cells = [
        "!pip install this",
        "import os\nfrom math import exp\nLIMIT = 3\nNOISE = 4\n",
        "def double(x):\n    return helper(x)",
        "def double(x):\n    return helper(x) + LIMIT",
        "def helper(x):\n    return exp(0) * x\nprint(double(1))",
        'def shift(x):\n    raise NotImplementedError("9.2")',
        "check('9.1')",
    ]
    assert save(lab, cells)
    text = lab.tasks_file.read_text()
    assert unfinished(text, NAMES) == ["shift", "Scale"]
    names: dict = {}
    exec(text, names)
    assert names["double"](2) == 5
    assert "import os" not in text
    assert "NOISE" not in text
    assert backups(lab) == []
    assert not save(lab, cells)
    lab.tasks_file.write_text(text.replace("+ LIMIT", "+ 7"))
    assert save(lab, cells)
    assert len(backups(lab)) == 1


@pytest.fixture
def saved(lab, record):
    """Run cells, save all that ran, and give what `tasks.py` then defines."""
    write_files(generate(lab), False, record)

    ran: list[str] = []

    def after(*cells: str) -> dict:
        ran.extend(cells)
        save(lab, ran)
        names: dict = {}
        exec(lab.tasks_file.read_text(), names)
        return names

    return after


def test_a_constant_is_saved_below_what_it_is_made_of_and_changes_with_its_cell(saved, lab):
    uses = "def double(x):\n    return [x, WIDE, NEVER]"
    first = saved(
        "STEP = 10", "STEP = 7", "NEVER = [STEP, 1]", "WIDE, KIND = len(NEVER), 'int32'", uses
    )
    assert first["double"](0) == [0, 2, [7, 1]]
    again = saved("STEP = 7", "NEVER = [1]", "WIDE, KIND = len(NEVER), 'int32'", uses)
    assert again["double"](0) == [0, 1, [1]]
    assert lab.tasks_file.read_text().count("NEVER =") == 1
    assert saved("STEP = 8", "NEVER = [STEP]", uses)["double"](0) == [0, 1, [8]]
    assert backups(lab) == []


def test_a_base_class_is_saved_above_what_derives_from_it(saved, lab):
    derived = "class Scale(Mixing):\n    pass"
    assert saved("class Mixing:\n    FIVE = 5", derived)["Scale"].FIVE == 5
    text = lab.tasks_file.read_text()
    base = "class Mixing:\n    FIVE = 5\n"
    assert text.count(base) == 1
    lab.tasks_file.write_text(text.replace(base, "") + "\n\n" + base)  # as written by hand
    assert saved("class Mixing:\n    FIVE = 6", derived)["Scale"].FIVE == 6
    assert lab.tasks_file.read_text().count("class Mixing") == 1


def test_what_no_task_uses_is_not_saved(saved, lab):
    written = "def double(x):\n    y = 2 * x\n    return y"
    assert "y" not in saved("y = 3", "def plot():\n    return y", written)
    assert "plot" not in lab.tasks_file.read_text()


def test_two_statements_on_a_line_are_both_kept(saved, lab):
    text = lab.tasks_file.read_text().replace("STEP = 10", "STEP = 10; END = 2")
    lab.tasks_file.write_text(text)
    found = saved("STEP = 9", "def double(x):\n    return STEP + END")
    assert found["double"](0) == 11
    assert saved('def shift(x):\n    return "\x0c"')["shift"](0) == "\x0c"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ["def double(x):\n    return (x"],
            "9.1 double was not saved, what was before is graded: its cell is not Python",
        ),
        (
            ['def double(x):\n    raise NotImplementedError("9.1")\n    return 2 * x'],
            "what was before is graded: it still raises NotImplementedError",
        ),
        (
            ["TABLE = make()", "def double(x):\n    return TABLE[x]"],
            "TABLE was not saved: a cell makes it by running something",
        ),
    ],
)
def test_what_a_notebook_cannot_save_is_named(lab, record, capsys, cells, told):
    write_files(generate(lab), False, record)
    stubs = notebook_source(lab.notebook_file.read_text())[0]
    save(lab, [stubs, *cells])
    assert told in " ".join(capsys.readouterr().out.split())
    save(lab, [stubs, *cells, "def double(x):\n    return 2 * x"])
    assert "was not saved" not in capsys.readouterr().out


def test_a_file_that_is_not_python_stops_saving_with_one_sentence(lab, record):
    write_files(generate(lab), False, record)
    lab.tasks_file.write_text(lab.tasks_file.read_text() + "x = (1\n")
    with pytest.raises(EtudeError, match=r"nothing was saved or graded: .*tasks\.py:\d+: '\('"):
        save(lab, ["def double(x):\n    return 2 * x"])


def test_a_constant_with_letters_of_more_than_a_byte_is_saved_whole(saved):
    found = saved('NAMES = ["Žofie", "Åsa"]; OTHER = 1', "def double(x):\n    return NAMES")
    assert found["double"](0) == ["Žofie", "Åsa"]


def test_one_of_several_constants_changes_alone_and_back(saved, lab):
    three = "PAD, START, END = range(3)"
    text = lab.tasks_file.read_text().replace("STEP = 10\n", f"STEP = 10\n{three}\n")
    lab.tasks_file.write_text(text)
    uses = "def double(x):\n    return [PAD, START, END]"
    assert saved(three, uses)["double"](0) == [0, 1, 2]
    assert saved(three, "PAD = 5", uses)["double"](0) == [5, 1, 2]
    assert saved(three, "PAD = 6", uses)["double"](0) == [6, 1, 2]
    assert saved(three, "PAD = 5", uses, three)["double"](0) == [0, 1, 2]
    assert lab.tasks_file.read_text().count("PAD") == 2
    assert backups(lab) == []


def test_a_constant_that_no_cell_holds_is_backed_up(saved, lab):
    lab.tasks_file.write_text(lab.tasks_file.read_text().replace("STEP = 10", "STEP = 64"))
    assert saved("STEP = 10", "def double(x):\n    return STEP")["double"](0) == 10
    assert ["STEP = 64" in text for text in backups(lab)] == [True]
