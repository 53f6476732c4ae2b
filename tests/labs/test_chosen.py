"""Which file is a student's work: the notebook, `tasks.py`, or a question."""

import json
import os
from pathlib import Path

import pytest
from small_lab import make_lab, task_ids

from labs.course.build import notebook
from labs.course.catalogue import Lab
from labs.course.chosen import chosen_source, left_behind
from labs.course.code import load_tasks
from labs.course.definitions import definitions, unfinished
from labs.course.imports import import_notes
from labs.course.kernel import HISTORY, kernels_notebook
from labs.course.stubs import stubbed
from labs.course.submission import Submission, read_submission
from toolkit.errors import EtudeError

ANSWERS = {
    "9.1": "def double(x):\n    return 2 * given(x)",
    "9.2": "def shift(x):\n    return double(x) + STEP",
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch) -> Lab:
    monkeypatch.delenv(HISTORY, raising=False)
    lab = make_lab(tmp_path)
    stubs = stubbed(lab.solution_file.read_text(), task_ids(lab))
    lab.tasks_file.write_text(stubs)
    lab.notebook_file.write_text(notebook(lab, stubs))
    return lab


def in_tasks(lab: Lab, *cells: str) -> None:
    """Write these definitions at the end of `tasks.py`: of two the later counts."""
    lab.tasks_file.write_text("\n\n\n".join([lab.tasks_file.read_text(), *cells]))


def in_notebook(lab: Lab, *cells: str, **fields) -> None:
    """Save the notebook with more cells."""
    book = json.loads(lab.notebook_file.read_text())
    book["cells"] += [{"cell_type": "code", "source": cell, **fields} for cell in cells]
    lab.notebook_file.write_text(json.dumps(book))


# On disk


def test_where_nothing_is_written_it_is_the_file(lab):
    assert chosen_source(lab) == lab.tasks_file


def test_where_one_holds_work_it_is_that_one(lab):
    in_notebook(lab, ANSWERS["9.1"])
    assert chosen_source(lab) == lab.notebook_file
    assert load_tasks(lab).whose["9.1"] == "yours"
    lab.notebook_file.unlink()
    in_tasks(lab, ANSWERS["9.2"])
    assert chosen_source(lab) == lab.tasks_file


def test_where_both_hold_the_same_it_is_the_notebook_without_a_word(lab):
    in_notebook(lab, "LIMIT = 3", "def plot():\n    pass", *ANSWERS.values())
    other_layout = ANSWERS["9.1"].replace("2 * given(x)", "(2 *\n        given(x))  # twice")
    in_tasks(lab, other_layout, ANSWERS["9.2"])
    assert chosen_source(lab) == lab.notebook_file
    assert load_tasks(lab).notes == ()


def test_the_one_that_has_all_of_the_other_and_more_is_taken(lab):
    in_tasks(lab, ANSWERS["9.1"])
    in_notebook(lab, *ANSWERS.values())
    assert chosen_source(lab) == lab.notebook_file
    in_tasks(lab, ANSWERS["9.2"], "class Scale:\n    pass")
    assert chosen_source(lab) == lab.tasks_file


def test_where_they_differ_the_tasks_are_named_and_the_answer_is_asked_for(lab):
    in_tasks(lab, ANSWERS["9.1"], ANSWERS["9.2"])
    in_notebook(lab, ANSWERS["9.1"], "def shift(x):\n    return 0", "class Scale:\n    pass")
    with pytest.raises(EtudeError) as told:
        chosen_source(lab)
    assert "lab9.ipynb and tasks.py differ in 9.2, 9.3: give LAB=9 CODE=" in str(told.value)
    assert "make reset TASK=9.2 takes a task out of tasks.py" in str(told.value)
    with pytest.raises(EtudeError, match=r"differ in 9\.2, 9\.3"):
        load_tasks(lab)
    assert load_tasks(lab, lab.notebook_file).shift(1) == 0
    assert load_tasks(lab, lab.tasks_file).shift(1) == 12


def test_each_with_work_that_the_other_lacks_is_asked_about(lab):
    in_tasks(lab, ANSWERS["9.2"])
    in_notebook(lab, ANSWERS["9.1"])
    with pytest.raises(EtudeError, match=r"differ in 9\.1, 9\.2: .*make reset TASK=9\.2 takes"):
        chosen_source(lab)


def test_a_task_differs_where_a_helper_or_constant_that_it_uses_does(lab):
    uses = "def double(x):\n    return helper(x)"
    in_tasks(lab, "def helper(x):\n    return LIMIT", "LIMIT = 2", uses, ANSWERS["9.2"])
    in_notebook(lab, "def helper(x):\n    return LIMIT", "LIMIT = 3", uses, ANSWERS["9.2"])
    with pytest.raises(EtudeError, match=r"differ in 9\.1: "):
        chosen_source(lab)


def test_a_file_that_cannot_be_read_is_taken_only_if_the_other_holds_nothing(lab):
    in_tasks(lab, "x = (1")
    assert chosen_source(lab) == lab.tasks_file
    in_notebook(lab, ANSWERS["9.1"])
    with pytest.raises(EtudeError, match=r"tasks\.py:\d+: .*\. Fix it, or give LAB=9 CODE=.*ipynb"):
        chosen_source(lab)
    lab.notebook_file.write_text("{")
    lab.tasks_file.write_text(ANSWERS["9.1"])
    with pytest.raises(EtudeError, match=r"not a Jupyter notebook.* CODE=.*tasks\.py"):
        chosen_source(lab)
    lab.tasks_file.write_text("")
    assert chosen_source(lab) == lab.notebook_file


# In a notebook's kernel


@pytest.fixture
def ran(lab, tmp_path, monkeypatch):
    """Let a kernel have run cells; give what is then chosen, read."""

    def run(*cells: str) -> Submission:
        history = tmp_path / "kernel" / "history.json"
        history.parent.mkdir(exist_ok=True)
        history.write_text(json.dumps(["", *cells]))
        monkeypatch.setenv(HISTORY, str(history))
        return read_submission(chosen_source(lab))

    return run


def test_what_ran_comes_after_what_was_saved_and_counts(lab, ran):
    in_tasks(lab, "def double(x):\n    return 'on disk'")
    in_notebook(lab, *ANSWERS.values(), execution_count=40)
    found = ran("!pip install this", "%%time\ndef double(x):\n    return 7", "check('9.1')")
    assert unfinished(found.source, ["double", "shift"]) == []
    assert load_tasks(lab).shift(1) == 17
    place = found.place(definitions(found.source)["double"].line + 1)
    assert place == "lab9.ipynb, cell [2], line 3"
    assert found.notes == ()
    assert "on disk" in lab.tasks_file.read_text()


def test_what_a_cell_still_has_wrong_is_told_and_what_was_corrected_is_not(lab, ran):
    broken = "def double(x):\n    return (x"
    assert ran(ANSWERS["9.1"], "print(", broken).notes == (
        "lab9.ipynb, cell [3] is left out: line 2: '(' was never closed",
    )
    assert load_tasks(lab).double(4) == 8
    assert ran(broken, ANSWERS["9.1"]).notes == ()


def test_a_value_that_a_cell_makes_by_running_something_is_told(ran):
    (note,) = ran("TABLE = make()\nother = make()", "def double(x):\n    return TABLE[x]").notes
    assert note.startswith("TABLE is not there when your code is graded")
    fixed = "def double(x):\n    TABLE = make()\n    return TABLE[x]"
    assert ran("TABLE = make()", "def double(x):\n    return TABLE[x]", fixed).notes == ()


def test_a_stub_that_ran_last_is_not_started(ran):
    again = ran(ANSWERS["9.1"], 'def double(x):\n    raise NotImplementedError("9.1")')
    assert unfinished(again.source, ["double"]) == ["double"]


def test_a_base_class_and_constants_keep_the_order_in_which_they_ran(lab, ran):
    cells = [
        "class Mixing:\n    FIVE = 5",
        "N = 1",
        "M = N + 1",
        "N = 5",
        "class Scale(Mixing): M = M",
    ]
    ran(*cells)
    assert (load_tasks(lab).Scale.FIVE, load_tasks(lab).Scale.M, load_tasks(lab).N) == (5, 2, 5)


def test_many_versions_of_a_task_leave_room_and_too_much_else_is_one_sentence(lab, ran):
    long = f"def double(x):\n    '''{'x' * 99_000}'''\n    return {{}}"
    assert ran(*(long.format(number) for number in range(20)))
    assert load_tasks(lab).double(0) == 19
    with pytest.raises(EtudeError, match=r"run over 1 MB of code: restart it"):
        ran(ANSWERS["9.1"], *(f"TEXT = '{'x' * 99_000}'" for _ in range(20)))


def test_a_kernel_that_ran_nothing_of_a_lab_has_no_say_in_it(lab, ran):
    in_tasks(lab, ANSWERS["9.1"])
    assert ran("def another(x):\n    return 1").path == lab.tasks_file
    in_notebook(lab, "def double(x):\n    return 1")
    assert ran("check('9.1')").path == lab.notebook_file
    assert os.environ.pop(HISTORY)
    assert kernels_notebook(lab) is None


def test_what_only_the_file_has_is_told_in_the_notebook(lab, ran):
    in_tasks(lab, *ANSWERS.values())
    (note,) = left_behind(lab, ran(ANSWERS["9.2"]).path)
    assert "tasks.py has 9.1, this notebook does not" in note
    assert left_behind(lab, ran(*ANSWERS.values()).path) == ()


def test_under_nbgrader_nothing_of_the_course_is_graded(lab, ran, monkeypatch):
    in_tasks(lab, *ANSWERS.values())
    in_notebook(lab, *ANSWERS.values())
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert unfinished(ran("x = 1").source, ["double", "shift"]) == ["double", "shift"]


# Imports


def test_an_import_that_the_lab_does_not_name_is_told_with_what_is_offered(lab):
    in_tasks(lab, "import re\nimport torch.nn as nn\n\ndef f():\n    from pandas import DataFrame")
    (note,) = import_notes(lab, read_submission(lab.tasks_file))
    assert note == (
        "tasks.py imports pandas, torch, which Lab 9 does not name and which may be missing where "
        "you are graded: use Python's own modules or toolkit"
    )
    allowed = "from __future__ import annotations\nimport math\nfrom toolkit import plots\n"
    assert import_notes(lab, Submission(lab.tasks_file, allowed)) == ()
