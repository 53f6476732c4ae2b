"""A class is graded whole, once, in any order, whatever ends the run."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from light_class import LAB, TASKS

from grading.classroom import __main__ as classroom
from grading.classroom import run as class_run
from grading.classroom.__main__ import grade_class
from grading.classroom.page import remark, to_look_at
from grading.classroom.run import Classroom, Job, alone_in, grade_one, state_of
from grading.classroom.submissions import Handed, Person, find_submissions
from grading.proofs.attacks.__main__ import attacks
from grading.proofs.made_class import Student, as_notebook, hand_in, make_students
from labs.course.catalogue import load_lab
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("class")
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")


def job(handed, tasks=TASKS):
    return Job(LAB.number, handed, state_of(LAB), tasks)


def handed(name, text=SOLUTION, **facts):
    return Handed(name, (Person(name),), f"{name}.py", text.encode(), **facts)


def start(submissions, results):
    """Start grading on one core."""
    return subprocess.Popen(
        [sys.executable, "tests/light_class.py", submissions, results],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )


def wait_for(results, count, grader):
    """Wait until so many results are there."""
    while len(list(results.glob("students/*.json"))) < count:
        assert grader.poll() is None, grader.communicate()[0]
        time.sleep(0.05)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen on Linux only")
def test_thirty_are_graded_once_though_the_run_is_killed_and_stopped(tmp_path):
    students = make_students(LAB, 30, seed=3, tasks=TASKS)
    hand_in(students, tmp_path / "class")
    results = tmp_path / "results"
    grader = start(tmp_path / "class", results)
    wait_for(results, 5, grader)
    grader.kill()
    grader.communicate()
    kept = {path: path.stat().st_ino for path in results.glob("students/*.json")}
    grader = start(tmp_path / "class", results)
    wait_for(results, len(kept) + 5, grader)
    grader.send_signal(signal.SIGINT)
    output = grader.communicate()[0]
    assert grader.returncode == 130
    assert "the same command continues" in output
    assert "Traceback" not in output
    kept |= {path: path.stat().st_ino for path in results.glob("students/*.json")}
    grader = start(tmp_path / "class", results)
    output = grader.communicate()[0]
    assert grader.returncode == 0, output
    assert f"{30 - len(kept)} of {30 - len(kept)}" in output
    assert kept.items() <= {p: p.stat().st_ino for p in results.glob("students/*.json")}.items()
    room = Classroom(LAB, results, TASKS)
    scores = {one.name: room.read(one.name)["earned"] for one in students}
    assert len(list(results.glob("students/*"))) == 30
    expected = {one.name: one.expected(LAB, TASKS) for one in students}
    assert scores == pytest.approx(expected)
    another_order = {
        one.student: grade_one(job(one))["earned"]
        for one in reversed(find_submissions(tmp_path / "class", LAB)[0])
    }
    assert another_order == scores


def test_a_class_ends_whatever_its_submissions_do(tmp_path):
    """Nothing waits for what a worker may never send, nor for what a compiler may never finish."""
    (out_of_band,) = (one.code for one in attacks() if one.name == "breaks_by_out_of_band")
    endless = "".join(f"{' ' * n}try:\n{' ' * n} pass\n{' ' * n}finally:\n" for n in range(20))
    texts = {
        "out-of-band": f"{SOLUTION}\n{out_of_band}",
        "bomb": f"{SOLUTION}\n{endless}{' ' * 20}pass\n",
        "long-name": f"{SOLUTION}\n{'x' * 400_000} = = 1\n",
        "warnings": SOLUTION + "\n'x' is 'x'" * 5_000,
        "honest": SOLUTION,
    }
    room = Classroom(LAB, tmp_path, TASKS)
    with alone_in(tmp_path):
        room.grade([handed(name, text) for name, text in texts.items()])
    results = {name: room.read(name) for name in texts}
    full = sum(LAB.task(id).points for id in TASKS)
    earned = {name: result["earned"] for name, result in results.items()}
    assert earned == {
        "out-of-band": LAB.task("3.4").points,
        "bomb": 0,
        "long-name": 0,
        "warnings": full,
        "honest": full,
    }
    assert "needs too much memory" in results["bomb"]["problem"]
    assert max(len(json.dumps(result)) for result in results.values()) < 100_000


def test_the_notes_say_in_what_a_notebook_beside_the_graded_file_differs():
    changed = SOLUTION.replace("-counts[token], token", "token")
    one = handed("ada", other=("lab3.ipynb", as_notebook(changed).encode()))
    result = grade_one(job(one, ("3.3",)))
    told = "ada.py was graded; lab3.ipynb, which was handed in too, differs from it in 3.3"
    assert [note for note in result["notes"] if note.startswith(told)]
    assert one.digest != handed("ada").digest


def test_a_dask_cluster_grades_though_a_worker_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed")
    students = [handed(f"s{number}", SOLUTION + f"\n# {number}\n") for number in range(8)]
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    room = Classroom(LAB, tmp_path, ("3.3",))
    with cluster, alone_in(tmp_path):
        jobs = [room.job(one) for one in students]
        answers = class_run.on_cluster(cluster.scheduler_address, jobs)
        index, first, reason = next(answers)
        os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)
        rest = list(answers)
    assert reason is None
    got = {jobs[index].handed.student: first["earned"]}
    got |= {jobs[index].handed.student: result["earned"] for index, result, _ in rest}
    assert got == {one.student: LAB.task("3.3").points for one in students}


def test_no_scheduler_is_one_sentence(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(*_, **__):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(
        EtudeError, match=r"no Dask scheduler answers at CLUSTER=tcp://127\.0\.0\.1:9"
    ):
        next(class_run.on_cluster("tcp://127.0.0.1:9", []))


def test_a_submission_that_cannot_be_graded_says_why_and_loses_nothing_else(tmp_path):
    result = grade_one(job(handed("anna", problem="two files")))
    assert result["problem"] == "two files"
    assert {check["message"] for task in result["tasks"] for check in task["checks"]} == {
        "two files",
        "",
    }
    assert result["earned"] == 0
    broken = grade_one(job(handed("bert", "def f(:\n")))
    assert "Python cannot read this line" in broken["problem"]


@pytest.mark.parametrize(
    "value",
    [" + ".join(["'a'"] * 420), f"0x{'f' * 4000}", "f\"{len('a\xa0b')}\""],
    ids=["deep sum", "long number", "no-break space"],
)
def test_what_cannot_be_compared_keeps_its_points(value):
    place = SOLUTION.index("    # BEGIN SOLUTION", SOLUTION.index("def make_windows("))
    text = f"{SOLUTION[:place]}    unused = {value}\n{SOLUTION[place:]}"
    result = grade_one(job(handed("anna", text)))
    assert result["earned"] == sum(LAB.task(id).points for id in TASKS)
    assert "3.3" in result["prints"]
    told = any(note.startswith("3.4 could not be compared") for note in result["notes"])
    assert told != ("3.4" in result["prints"])  # Python 3.12 can spell the last


@pytest.mark.parametrize("text", ["", "x = 1\n"])
def test_a_file_with_none_of_the_functions_is_one_line(text):
    result = grade_one(job(handed("anna", text), None))
    assert result["earned"] == 0
    assert result["notes"] == []
    ((_, what, why),) = to_look_at([result])
    assert (what, why) == ("not graded", result["problem"])
    assert remark(result) == f"not graded: {result['problem']}"
    assert "anna.py has none of lab 3's functions" in result["problem"]


def test_messages_name_the_file_as_it_was_handed_in(tmp_path):
    text = SOLUTION.replace("def make_windows(", "def make_windows(surplus, ")
    result = grade_one(job(handed("Ana María", text)))
    assert result["submission"] == "Ana María.py"
    text = json.dumps(result, ensure_ascii=False)
    assert "etude-class" not in text
    assert str(tmp_path.parent) not in text


class Answers:
    """Grades in the place of child processes; `fail` says how many times which student fails."""

    def __init__(self, fail=(), **failure):
        self.fail = dict(fail)
        self.failure = failure
        self.asked = []

    def __call__(self, jobs, processes):
        for index, job in enumerate(jobs):
            name = job.handed.student
            self.asked.append(name)
            result = class_run.ungraded(job, "passed", "")
            result["earned"] = 100.0
            if self.fail.get(name, 0):
                self.fail[name] -= 1
                if not self.failure:
                    yield index, None, "its process died: Killed"
                    continue
                result["tasks"][0]["checks"][0] |= {"outcome": "failed", **self.failure}
            yield index, result, None


def test_what_ran_out_of_time_or_broke_is_tried_once_more_alone(tmp_path, monkeypatch):
    for failure in ({}, {"died": True}):
        answers = Answers({"anna": 1, "bert": 2}, **failure)
        monkeypatch.setattr(class_run, "here", answers)
        room = Classroom(LAB, tmp_path / str(len(failure)))
        students = [handed(name) for name in ("anna", "bert", "cleo")]
        with alone_in(room.folder):
            room.grade(students)
        assert answers.asked == ["anna", "bert", "cleo", "anna", "bert"]
        assert room.read("anna")["tried_again"]
        assert not room.read("cleo")["tried_again"]
        assert class_run.broken(room.read("bert")) == (not failure)
        assert class_run.timed_out(room.read("bert")) == bool(failure)
        # an error of the grader is graded again by the next run, what ran out of time is not
        assert room.done(students[1]) == bool(failure)


@pytest.mark.parametrize(
    ("code", "late"),
    [
        ("raise ValueError('is there an endless loop?')", False),
        ("raise ValueError('the process ended, crashed, or took too long')", False),
        ("import os; os._exit(0)", True),
    ],
)
def test_only_a_process_that_ended_counts_as_out_of_time(code, late):
    place = SOLUTION.index("    # BEGIN SOLUTION", SOLUTION.index("def make_windows("))
    text = f"{SOLUTION[:place]}    {code}\n{SOLUTION[place:]}"
    result = grade_one(job(handed("anna", text), ("3.4",)))
    failed = [check for check in result["tasks"][3]["checks"] if check["outcome"] == "failed"]
    assert {check["hidden"] for check in failed} == {False, True}
    assert {check["died"] for check in failed} == {late}
    assert class_run.timed_out(result) == late


def test_a_result_from_before_this_was_kept_is_read(quick):
    quick()
    path = quick.folder / "results" / "students" / "anna.json"
    result = json.loads(path.read_text())
    for task in result["tasks"]:
        for check in task["checks"]:
            del check["died"]
    path.write_text(json.dumps(result))
    assert quick() == []


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A class of three in a folder, and a run of it that grades nothing."""
    for name in ("anna", "bert", "cleo"):
        (tmp_path / "class").mkdir(exist_ok=True)
        (tmp_path / "class" / f"{name}.py").write_text(SOLUTION)
    answers = Answers()
    monkeypatch.setattr(class_run, "here", answers)

    def run(**options):
        answers.asked.clear()
        grade_class(LAB, tmp_path / "class", tmp_path / "results", **options)
        return list(answers.asked)

    run.folder, run.graded = tmp_path, answers.asked
    return run


def test_only_what_changed_is_graded_again(quick, monkeypatch):
    assert quick() == ["anna", "bert", "cleo"]
    assert quick() == []
    (quick.folder / "class" / "bert.py").write_text(SOLUTION + "\n# better\n")
    assert quick() == ["bert"]
    assert quick(regrade=True) == ["anna", "bert", "cleo"]
    assert quick() == []
    monkeypatch.setattr(class_run, "state_of", lambda lab: "other checks")
    assert quick() == ["anna", "bert", "cleo"]


def test_a_torn_result_is_graded_again(quick):
    quick()
    (quick.folder / "results" / "students" / "anna.json").write_text('{"student": "an')
    assert quick() == ["anna"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_is_one_sentence_and_keeps_what_is_there(quick, monkeypatch, number):
    quick()
    (quick.folder / "class" / "bert.py").write_text(SOLUTION + "\n# better\n")
    before = {path: path.read_bytes() for path in (quick.folder / "results").rglob("*.*")}

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(EtudeError, match=f"{os.strerror(number)}.*it continues"):
            quick()
    assert before == {path: path.read_bytes() for path in (quick.folder / "results").rglob("*.*")}
    assert quick() == ["bert"]


def test_a_results_folder_that_cannot_be_made_is_one_sentence(quick):
    (quick.folder / "results").write_text("a file")
    with pytest.raises(EtudeError, match=r"results cannot be written to .*results"):
        quick()


def test_results_of_another_class_or_lab_are_not_written_over(quick):
    quick()
    results = quick.folder / "results"
    before = {path: path.read_bytes() for path in results.rglob("*.*")}
    other = quick.folder / "b" / "class"
    shutil.copytree(quick.folder / "class", other)
    with pytest.raises(EtudeError, match=r"results of .*class, lab 3: give RESULTS=another"):
        grade_class(LAB, other, results, regrade=True)
    with pytest.raises(EtudeError, match="lab 3: give RESULTS=another"):
        grade_class(load_lab(1), quick.folder / "class", results)
    assert before == {path: path.read_bytes() for path in results.rglob("*.*")}
    (results / "origin.json").unlink()  # what the sentence says, and what older folders lack
    grade_class(LAB, other, results)
    assert quick.graded == ["anna", "bert", "cleo"]  # once, by the first run


def test_a_forgotten_secret_stops_and_changes_no_points(quick, monkeypatch, capsys):
    monkeypatch.setenv("ETUDE_SECRET", "a long random text")
    quick()
    assert "ETUDE_SECRET" not in capsys.readouterr().out
    files = list((quick.folder / "results").rglob("*.*"))
    assert not [path for path in files if b"a long random text" in path.read_bytes()]
    before = {path: path.read_bytes() for path in files}
    monkeypatch.delenv("ETUDE_SECRET")
    with pytest.raises(EtudeError, match=r"graded with another ETUDE_SECRET.*REGRADE=1"):
        quick()
    assert before == {path: path.read_bytes() for path in files}
    assert "note: ETUDE_SECRET is not set: anyone who has this course" in capsys.readouterr().out
    assert quick(regrade=True) == ["anna", "bert", "cleo"]
    assert quick() == []


def test_a_worker_with_another_secret_grades_nothing(monkeypatch):
    asked = job(handed("anna"))
    monkeypatch.setenv("ETUDE_SECRET", "another")
    with pytest.raises(EtudeError, match="ETUDE_SECRET differs on this worker"):
        grade_one(asked)


def test_results_do_not_go_into_what_was_handed_in(tmp_path):
    with pytest.raises(EtudeError, match="is inside SUBMISSIONS"):
        grade_class(LAB, tmp_path, tmp_path / "results")


def test_two_runs_do_not_write_to_one_folder(quick):
    with (
        alone_in(quick.folder / "results"),
        pytest.raises(EtudeError, match="another run writes"),
    ):
        quick()


def test_unknown_and_missing_students_of_the_roster_are_told(quick, capsys):
    roster = quick.folder / "roster.csv"
    roster.write_text("name,id\nAnna A,anna\nDora D,dora\n")
    quick(roster=roster)
    output = capsys.readouterr().out
    assert "1 on the roster handed in nothing: Dora D" in output
    assert "2 handed in, but not on the roster: bert, cleo" in output


def test_a_row_that_two_submissions_mean_is_filled_in_for_none(quick, capsys):
    roster = quick.folder / "roster.csv"
    roster.write_text("name,sid,github\nAnna A,7,anna\nBert B,8,bert\n")
    shutil.copy(quick.folder / "class" / "anna.py", quick.folder / "class" / "lab3-anna.py")
    quick(roster=roster)
    told = "1 on the roster match several submissions, and get points from none: Anna A by anna"
    assert f"{told} and lab3-anna" in " ".join(capsys.readouterr().out.split())
    with (quick.folder / "results" / "class.csv").open() as file:
        found = {row["student"]: row["sid"] for row in csv.DictReader(file)}
    assert found == {"anna": "", "lab3-anna": "", "bert": "8", "cleo": ""}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_gradebook_has_what_the_roster_says_of_each(quick, separator):
    roster = quick.folder / "roster.csv"
    rows = ("First Name,Last Name,SID,E-Mail,GitHub", "Anna,Ö,7,a@x,anna", "Dora,D,8,d@x,dora")
    roster.write_text("\n".join(rows).replace(",", separator))
    quick(roster=roster)
    with (quick.folder / "results" / "class.csv").open() as file:
        found = {row["student"]: row for row in csv.DictReader(file)}
    who = {name: (row["name"], row["email"], row["sid"]) for name, row in found.items()}
    assert who["anna"] == ("Anna Ö", "a@x", "7")
    assert who["bert"] == ("", "", "")
    assert who["8"] == ("Dora D", "d@x", "8")
    assert (found["8"]["points"], found["8"]["remark"]) == ("0", "nothing handed in")


def test_a_roster_that_names_nobody_who_handed_in_stops_before_grading(quick):
    roster = quick.folder / "roster.csv"
    roster.write_text("name,id\nDora D,8\n")
    with pytest.raises(EtudeError, match=r"names nobody who handed in.*such as anna"):
        quick(roster=roster)
    assert quick.graded == []


def test_a_name_that_no_file_can_have_has_its_result(tmp_path):
    room = Classroom(LAB, tmp_path)
    names = ["a/b", "a_b", "x" * 300, ".hidden", "..", "王芳", "what?"]
    with alone_in(tmp_path):
        for name in names:
            room.write({"student": name})
    assert [room.read(name)["student"] for name in names] == names


def test_a_workers_other_checks_are_an_error_of_the_grader():
    with pytest.raises(EtudeError, match="differ on this worker"):
        grade_one(Job(LAB.number, handed("anna"), "another state"))


def test_the_made_class_knows_its_scores():
    students = make_students(LAB, 40, seed=1)
    kinds = {type(answer).__name__ for one in students for answer in one.answers.values()}
    assert kinds == {"str", "Entry"}
    assert Student("x", "", known=12.5).expected(LAB) == 12.5
    assert make_students(LAB, 40, seed=1)[7].text == students[7].text


def test_the_command_names_what_it_lacks():
    done = subprocess.run(
        [sys.executable, "-m", "grading.classroom", "--lab", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "make class SUBMISSIONS=folder LAB=3" in done.stderr
    assert classroom.results_folder(LAB, ROOT / "my class").name == "lab3-my-class"
