"""`check` and `hint` where students meet them: in a notebook that runs in a kernel."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
from filled_notebook import (
    checks_only,
    course_copy,
    executed,
    filled,
    printed,
    solution_answers,
    verdicts,
)
from matplotlib.image import imread

from grading.checks.assertions import CheckFailed, Difference, assert_close, assert_equal
from grading.doors.notebook import answer
from grading.doors.pictures import CELLS, drawing
from grading.proofs.bank import entries
from labs.course.build import stub_file
from labs.course.catalogue import all_labs, load_lab
from labs.course.notebook import Verdict, _Grader, check, hint
from toolkit.errors import EtudeError

LAB = load_lab(3)
# what a command that a cell starts takes for the student's code
WHOSE = (
    '!{sys.executable} -c "from labs.course import catalogue, code, run; '
    'run.say_whose(code.load_tasks(catalogue.load_lab(3)))"'
)
LABS = pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)


def pixels(panel):
    return imread(io.BytesIO(base64.b64decode(panel.data)), format="png")


# In a kernel


@pytest.mark.xdist_group("handout")
def test_a_notebook_shows_what_is_right_and_what_is_wrong(tmp_path):
    answers = solution_answers(LAB)
    (wrong,) = [one for one in entries(LAB) if one.name == "3_4_no_shift"]
    raising = "def masked_cross_entropy(targets, logits):\n    return 1 / 0"
    book = filled(LAB, {"3.3": answers["3.3"], "3.4": wrong.answer, "3.6": raising})
    checks_only(book, ["3.3", "3.4", "3.5", "3.6"])
    book.cells.append(nbformat.v4.new_code_cell(WHOSE))
    book.cells.append(nbformat.v4.new_code_cell('hint("3.4", 2)'))
    unknown = nbformat.v4.new_code_cell('check("3.44")')
    unknown.metadata["tags"] = ["raises-exception"]
    book.cells.append(unknown)
    course = course_copy(tmp_path)
    executed(book, LAB, course)
    found = verdicts(book)
    right, page = found["3.3"]
    assert right == 8.0
    assert "passed" in page
    assert "8 of 8 points" in page
    points, page = found["3.4"]
    assert points < 12
    assert "failed" in page
    assert "hint(&#34;3.4&#34;)" in page
    assert "not started" in found["3.5"][1]
    assert printed(book, "hint(").count("hint ") == 2
    assert "task 3.44: lab 3 has 3.1" in str(book.cells[-1].outputs[0]["traceback"])
    assert len(book.cells[-1].outputs[0]["traceback"]) == 1
    assert "next: 3.4 make_windows" in found["3.3"][1]
    assert "lab3.ipynb, cell [" in found["3.6"][1]
    named = "code: yours: build_vocabulary, make_windows, masked_cross_entropy"
    assert named in printed(book, "!")
    tasks = (course / "labs" / LAB.slug / "tasks.py").read_text(encoding="utf-8")
    assert tasks == stub_file(LAB)  # a notebook is graded as it is


@LABS
@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_a_notebook_with_the_solution_earns_all_and_trains(lab, tmp_path):
    book = filled(lab, solution_answers(lab))
    executed(book, lab, course_copy(tmp_path))
    found = verdicts(book)
    assert {task: points for task, (points, _) in found.items()} == pytest.approx(
        {task.id: task.points for task in lab.tasks}
    )
    for _, page in found.values():
        assert 'class="verdict passed"' in page
    output = printed(book, "!")
    assert "report.html" in output
    assert "stopped" not in output


@LABS
@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_a_notebook_with_wrong_answers_fails_each_and_says_why(lab, tmp_path):
    wrong: dict[str, str] = {}
    for entry in entries(lab):
        if entry.wrong:
            wrong.setdefault(entry.task.id, entry.answer)
    assert set(wrong) == {task.id for task in lab.tasks}
    book = checks_only(filled(lab, wrong), list(wrong))
    executed(book, lab, course_copy(tmp_path))
    for task, (points, page) in verdicts(book).items():
        assert points < lab.task(task).points, task
        assert 'class="verdict failed"' in page, task
        assert page.count('class="message"') >= 1, task


# Outside


def test_hints_come_one_after_the_other(capsys):
    hint("3.4")
    assert capsys.readouterr().out.splitlines() == [
        f"hint 1 of 3: {LAB.task('3.4').hints[0]}",
        'more: hint("3.4", 2)',
    ]
    hint("3.4", 3)
    assert capsys.readouterr().out.count("hint ") == 3
    for number in (0, 4):
        with pytest.raises(EtudeError, match=f"hint {number}: a task has 3"):
            hint("3.4", number)
    with pytest.raises(EtudeError, match="a task is named like"):
        check("three")


def test_points_are_a_number_to_nbgrader_and_a_page_to_a_notebook():
    verdict = Verdict(7.5)
    verdict.html = "<p>"
    assert (repr(verdict), verdict + 1, verdict._repr_html_()) == ("7.5", 8.5, "<p>")


def test_a_grader_that_ended_is_one_sentence_and_the_next_is_another(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    grader = _Grader()
    for _ in range(2):
        with pytest.raises(EtudeError, match="the grader ended: run this cell again"):
            grader.ask(task="3.4")


@pytest.mark.xdist_group("handout")
def test_only_public_checks_show_values_and_all_is_escaped(tmp_path):
    """A submission whose answers name the question they were given, in HTML."""
    source = LAB.solution_file.read_text(encoding="utf-8")
    names = "def make_windows(pieces, length, stride):\n    raise ValueError(f'<b>{pieces}</b>')\n"
    path = tmp_path / "tasks.py"
    path.write_text(source.replace("def make_windows(", f"{names}\n\ndef other("), encoding="utf-8")
    page = answer("3.4", str(path))["html"]
    assert "<b>" not in page
    public, hidden = page.split("a hidden check of this property failed", 1)
    assert "&lt;b&gt;[[" in public
    assert "&lt;b&gt;" not in hidden
    assert not re.search(r"(src|href)=\"(?!data:)", page)


# Pictures


def test_a_mask_is_drawn_as_expected_got_and_where_they_differ():
    want = np.tril(np.ones((5, 6), bool))
    with pytest.raises(CheckFailed) as failure:
        assert_equal(~want, want)
    drawn = drawing(failure.value.difference)
    expected, got, where = drawn.panels
    assert pixels(expected).shape[:2] == (5, 6)
    assert (pixels(expected)[0, 0] == pixels(got)[0, 1]).all()
    assert len(np.unique(pixels(where).reshape(-1, 4), axis=0)) == 1
    assert expected.alt == "expected: 5 by 6 values, dark is 0, light is 1"
    assert where.alt == "where they differ: 30 of 30 differ, first at [0, 0]"


def test_of_many_axes_the_plane_and_part_around_the_first_difference_is_drawn():
    want = np.zeros((2, 3, 300, 4), "f4")
    got = want.copy()
    got[1, 2, 250, 3] = 1
    with pytest.raises(CheckFailed) as failure:
        assert_close(got, want)
    drawn = drawing(failure.value.difference)
    assert drawn.note.startswith("shown is [1, 2, 218:282, :]; dark is 0, light is 1; 1 of 7200")
    where = pixels(drawn.panels[2])
    assert where.shape[:2] == (CELLS, 4)
    assert len(np.unique(where.reshape(-1, 4), axis=0)) == 2


def test_numbers_that_say_enough_are_not_drawn():
    for shape in ((), (24,), (2, 4)):
        assert drawing(Difference(*np.zeros((2, *shape)), np.ones(shape, bool))) is None


def test_what_is_no_number_is_grey():
    want, got = np.zeros((4, 4)), np.full((4, 4), np.nan)
    with pytest.raises(CheckFailed) as failure:
        assert_close(got, want)
    drawn = pixels(drawing(failure.value.difference).panels[1])
    assert np.allclose(drawn[..., :3], 0.5, atol=0.01)
