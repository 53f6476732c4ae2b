"""Every door takes the file that holds the work, says which, and hands that one in."""

import json
import subprocess
import sys
import zipfile

import nbformat
import pytest
from filled_notebook import course_copy, filled, solution_answers

from grading.core.results import Check, empty_result
from grading.doors.verdicts import next_unfinished, show_next, standing
from grading.doors.watch import modified
from labs.course.catalogue import load_lab
from toolkit import console

pytestmark = pytest.mark.xdist_group("handout")
LAB = load_lab(3)
ANSWERS = solution_answers(LAB)
NOTEBOOK, TASKS = (f"labs/{LAB.slug}/{name}" for name in ("lab3.ipynb", "tasks.py"))


@pytest.fixture
def course(tmp_path):
    """The course with nothing written."""
    return course_copy(tmp_path)


def save_notebook(course, *tasks, **others):
    """Save the notebook with the solution's answers to these tasks, and others by id."""
    answers = {task: ANSWERS[task] for task in tasks} | others
    book = filled(LAB, answers)
    book.cells.append(nbformat.v4.new_code_cell("import scipy", execution_count=7))
    nbformat.write(book, course / NOTEBOOK)


def save_tasks(course, *tasks):
    """Write these answers into `tasks.py`."""
    with (course / TASKS).open("a", encoding="utf-8") as file:
        file.write("".join(f"\n\n{ANSWERS[task]}\n" for task in tasks))


def command(course, *words):
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=course, capture_output=True, text=True
    )


def grade(course, *words):
    return command(course, "pytest", "grading", "--task", "3.3", "--public", *words)


def test_what_stands_in_the_notebook_is_graded_and_named(course):
    save_notebook(course, "3.3")
    done = grade(course)
    assert done.returncode == 0, done.stdout
    assert f"\n{NOTEBOOK}\n" in done.stdout
    assert "3.3  build_vocabulary        passed" in done.stdout
    assert "lab3.ipynb imports scipy, which Lab 3 does not name" in done.stdout
    assert "or keras, music21, numpy, toolkit" in done.stdout
    assert "next: write 3.4 make_windows lab3.ipynb, cell " in done.stdout
    save_tasks(course, "3.3")
    assert f"\n{NOTEBOOK}\n" in grade(course).stdout


def test_what_stands_in_tasks_is_graded_and_named(course):
    save_tasks(course, "3.3")
    done = grade(course)
    assert f"\n{TASKS}\n" in done.stdout
    assert "3.3  build_vocabulary        passed" in done.stdout


def test_where_they_differ_every_command_names_the_tasks_and_asks(course):
    save_notebook(course, "3.3")
    save_tasks(course, "3.3", "3.8")
    (course / TASKS).write_text(
        (course / TASKS).read_text(encoding="utf-8").replace("Counter(", "Counter(None or "),
        encoding="utf-8",
    )
    for words in (
        ["pytest", "grading", "--task", "3.3"],
        ["grading.watch", "--lab", "3"],
        ["grading.submit", "--lab", "3"],
        ["labs.run", "3"],
    ):
        done = command(course, *words)
        told = f"{NOTEBOOK} and tasks.py differ in 3.3, 3.8: give LAB=3 CODE={NOTEBOOK} or"
        assert told in " ".join(done.stderr.split()), words
        assert done.returncode in (2, 4)
        assert "Traceback" not in done.stderr
    assert f"\n{TASKS}\n" in grade(course, "--code", TASKS).stdout


@pytest.mark.parametrize("name", ["lab3.ipynb", "tasks.py"])
def test_what_is_handed_in_is_the_file_that_was_graded(course, name):
    if name == "lab3.ipynb":
        save_notebook(course, "3.3")
    else:
        save_tasks(course, "3.3")
    done = command(course, "grading.submit", "--lab", "3")
    assert done.returncode == 0, done.stderr
    assert f"\nlabs/{LAB.slug}/{name}\n" in done.stdout
    with zipfile.ZipFile(course / "submissions" / "lab3.zip") as handed:
        assert handed.namelist() == [name, "result.json"]
        assert handed.read(name) == (course / "labs" / LAB.slug / name).read_bytes()
        verdicts = json.loads(handed.read("result.json"))
    assert verdicts["submission"] == f"labs/{LAB.slug}/{name}"
    assert verdicts["tasks"][2]["outcome"] == "passed"


def test_a_save_of_either_file_is_seen(course):
    watching = subprocess.Popen(
        [sys.executable, "-m", "grading.watch", "--lab", "3"],
        cwd=course,
        stdout=subprocess.PIPE,
        text=True,
    )

    def until(words):
        lines = []
        while words not in (line := watching.stdout.readline()):
            assert line, lines
            lines.append(line)
        return "".join([*lines, line])

    try:
        until(f"watching {TASKS}")
        save_notebook(course, "3.3")
        seen = until("next: ")
        assert f"\n{NOTEBOOK}\n" in seen
        assert "3.3  build_vocabulary        passed" in seen
        save_tasks(course, "3.8")
        until("differ in 3.3, 3.8")
        save_notebook(course, "3.3", "3.8")
        seen = until("next: ")
        assert "3.8  sample_next             passed" in seen
        assert "next: write 3.9 generate lab3.ipynb, cell" in seen
    finally:
        watching.terminate()
        watching.wait()


def test_a_file_that_an_editor_replaces_is_not_there_for_a_moment(tmp_path):
    (tmp_path / "tasks.py").touch()
    there, gone = modified([tmp_path / "tasks.py", tmp_path / "lab3.ipynb"])
    assert isinstance(there, int)
    assert gone is None


# What comes next


class Graded:
    """A session whose tasks came out like this."""

    def __init__(self, stubs=(), **outcomes):
        self.lab, self.stubs, self.lost = LAB, {LAB.task(task).name for task in stubs}, {}
        checks = [Check(task.id, task.id, "", 1, False, 1) for task in LAB.tasks]
        self.result = empty_result(LAB, checks, "tasks.py", {}, "sealed")
        self.submission = self
        for task in self.result.tasks:
            task.checks[0].outcome = outcomes.get(f"t{task.id[-1]}", "not run")

    def place(self, line):
        return f"tasks.py:{line}"


@pytest.mark.parametrize(
    ("session", "before", "told"),
    [
        (Graded(["3.2"], t4="passed"), {}, "next: write 3.2 tokens_to_score tasks.py:1"),
        (Graded(["3.8"], t4="failed"), {}, "next: fix 3.4 make_windows"),
        (Graded(t4="passed"), {"3.2": "failed"}, "next: fix 3.2 tokens_to_score"),
        (Graded(["3.1", "3.7"], t4="passed"), {}, "next: write 3.7"),
        (Graded(t2="passed"), {"3.2": "failed"}, "next: make grade LAB=3"),
        (
            Graded(t2="passed"),
            {task.id: "passed" for task in LAB.tasks},
            "next: every check here passes: make lab3, then make submit LAB=3",
        ),
    ],
)
def test_the_next_unfinished_task_is_next_then_the_run_and_the_hand_in(
    session, before, told, capsys, monkeypatch
):
    monkeypatch.setattr(console.console, "_file", None)
    show_next(session, before)
    assert told in capsys.readouterr().out


def test_a_task_that_was_graded_now_stands_as_it_does_now():
    now = Graded(["3.9"], t1="passed", t2="failed")
    stands = standing(now, {"3.1": "failed", "3.5": "passed", "3.9": "passed"})
    assert [stands[f"3.{n}"] for n in (1, 2, 5, 9)] == ["passed", "failed", "passed", "not started"]
    assert next_unfinished(now, stands).id == "3.2"
