"""Text from a submission is bounded and safe to show, at whatever door it comes out."""

import csv
import io
import json
import subprocess
import sys
import time
import unicodedata
import warnings

import pytest

from grading.classroom.changes import class_record
from grading.classroom.page import Overview, class_csv, class_html, to_look_at
from grading.classroom.run import Job, grade_one, state_of
from grading.classroom.submissions import find_submissions
from grading.core.run import grade
from grading.doors.github import as_classroom
from grading.doors.gradescope import as_results, find_file
from grading.doors.verdicts import show_heading, show_task
from grading.proofs.made_class import as_notebook
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.course.submission import Submission, read_submission, syntax_error
from toolkit.console import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown
from toolkit.plain import FEW, MAX_PATH, MESSAGE, UNSEEN, few, plain, printable

LAB = load_lab(3)
NAME = "a" * 440_000
ODD = "ev\x1b[31m\u202e<b>\udcff\n.py"
LONGEST = 3 * MESSAGE + MAX_PATH  # a message with its call and what it printed, a path in it
BROKEN = {"cell_type": "code", "source": "def \x1b[31m(:"}

HOSTILE = {
    "argument.py": f"def f({NAME}, {NAME}): pass",
    "global.py": f"def f():\n    {NAME} = 1\n    global {NAME}",
    "directions.py": "x = 1  # \u202e\n" * 50_000,
    "lost.py": "\n".join(f"def {'make_window' + 'x' * n}(): pass" for n in range(1, 900)),
    "nul.py": "x = '\0'",
    "broken.ipynb": json.dumps({"cells": [BROKEN] * 10_000}),
    "long.ipynb": as_notebook(f"def f({NAME}, {NAME}): pass"),
    ODD: "def f(:",
}


def assert_safe(value):
    """Every text in `value` is bounded and holds nothing that moves a cursor or hides."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            assert_safe(item)
    elif isinstance(value, str):
        assert len(value) <= LONGEST, value[:100]
        bad = {c for c in value if unicodedata.category(c) in UNSEEN} - {"\n"}
        assert not bad, (bad, value[:100])


@pytest.fixture(scope="module", params=HOSTILE, ids=lambda name: name[:4])
def handed(request, tmp_path_factory):
    """A class of one, with a hostile text or name."""
    folder = tmp_path_factory.mktemp("class")
    path = folder / request.param
    path.write_bytes(HOSTILE[request.param].encode())
    return path


def test_of_a_megabyte_only_what_is_shown_costs_time():
    began = time.process_time()
    for _ in range(100):
        assert plain("\x1b" * 1_000_000) == "�" * MESSAGE + "…"
        assert len(printable("e\u0301" * 500_000)) == MAX_PATH + 1
    assert time.process_time() - began < 1  # 0.1 s; seconds if it read all of it


def test_names_are_one_line_encoded_in_one_way():
    assert printable("a\nb\x1b\udcff") == "a b�\\udcff"
    assert printable("Mu\u0308ller") == printable("M\u00fcller") == "M\u00fcller"


def test_few_are_told_and_the_rest_counted():
    assert few(iter("abcde"), 5) == tuple("abcde")
    assert few(map(str, range(10_000)), 10_000)[-1] == "and 9,995 more like these"


def test_a_link_that_leads_to_itself_is_shown(tmp_path):
    (tmp_path / "tasks.py").symlink_to("tasks.py")
    assert shown(tmp_path / "tasks.py").endswith("tasks.py")
    with pytest.raises(EtudeError, match="is a link"):
        read_submission(tmp_path / "tasks.py")


def test_in_a_class_it_is_bounded_and_safe(handed):
    (one,), _ = find_submissions(handed.parent, LAB)
    result = grade_one(Job(LAB.number, one, state_of(LAB)))
    assert result["earned"] == 0
    assert_safe({**result, "prints": {}})
    assert len(result["notes"]) <= 2 * (FEW + 1) + len(LAB.tasks)
    assert_safe(class_record([result], None))
    assert_safe(to_look_at([result]))
    rows = list(csv.reader(io.StringIO(class_csv(LAB, [result], []))))
    assert len(rows) == 2
    assert_safe(rows)
    facts = {"links": {}, "changes": [], "unchanged": 0, "since": None, "pairs": []}
    facts |= {"absent": [], "unknown": [one.student], "doubled": [], "left_out": []}
    page = class_html(LAB, [result], Overview(**facts))
    assert len(page) < 200_000
    assert "<b>" not in page
    assert_safe(page.splitlines())


def test_on_gradescope_on_github_and_on_the_console_too(handed, monkeypatch):
    path, problem = find_file(handed.parent, LAB)
    monkeypatch.chdir(handed.parent)
    session = grade(LAB, str(path.name))
    session.problem = problem or session.problem
    results = as_results(session, "hidden", [])
    for text in (results["output"], *(test["output"] for test in results["tests"])):
        assert_safe(text.splitlines())
    assert {value for key, value in results.items() if key.endswith("format")} == {"text"}
    json.dumps(results, ensure_ascii=False).encode()  # no halves of characters
    for task in session.result.tasks:
        assert_safe(as_classroom(task, 1.0, session.problem))
    with console.capture() as captured:
        show_heading(session)
        for task in session.result.tasks:
            show_task(task, set())
    assert_safe(captured.get().splitlines())
    assert len(captured.get()) < 100_000


def test_many_that_gradescope_was_given_are_named_safely(tmp_path):
    for number in range(20):
        (tmp_path / f"{number}{ODD}").write_text("")
    assert_safe(find_file(tmp_path, LAB)[1])


@pytest.mark.parametrize("odd", ["class {}(Exception): pass\nraise {}(1)", "raise OSError('{}')"])
def test_what_a_file_raises_while_it_is_loaded_is_bounded_and_safe(tmp_path, odd):
    path = tmp_path / "tasks.py"
    path.write_text(odd.replace("{}", NAME) + "  # \x0c\n", encoding="utf-8")
    with pytest.raises(EtudeError) as told:
        load_tasks(LAB, path)
    assert_safe(str(told.value))


# What Python warns of


WARNS = "x = 1 is 1\ny = '\\d'\n"


@pytest.mark.parametrize("action", ["always", "error"])
def test_pythons_warnings_about_a_text_reach_nobody(tmp_path, action):
    path = tmp_path / "tasks.ipynb"
    path.write_text(as_notebook(WARNS.replace("x", "X").replace("y", "Y")))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(action)
        assert syntax_error(Submission(tmp_path / "tasks.py", WARNS)) is None
        assert not read_submission(path).notes
    assert not told


def test_a_hundred_thousand_warnings_reach_no_terminal(tmp_path):
    (tmp_path / "anna.py").write_text("y = 1 is 1\n" * 90_000, encoding="utf-8")
    words = ["--submissions", tmp_path, "--lab", "3", "--results", f"{tmp_path}-results"]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "grading.classroom", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "class.html" in done.stdout
    assert done.stderr.count("SyntaxWarning") == 0
