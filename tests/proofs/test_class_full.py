"""Full-size proofs of a class: Lab 3 in two orders, hundreds of gradings with kills.

How fast it goes is measured by `python -m benchmarks.classroom`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import pytest
from light_class import LAB, TASKS

from grading.classroom.run import Classroom, alone_in
from grading.classroom.submissions import find_submissions
from grading.proofs.made_class import hand_in, make_students
from toolkit.data.parallel import map_items
from toolkit.paths import ROOT

pytestmark = [
    pytest.mark.verify(reads=["grading/lab3", "labs/lab3_notes"]),
    pytest.mark.xdist_group("class"),
]
STUDENTS = 40  # every kind of answer to each task, every way to hand in
LIGHT = 400  # of two light tasks each
MEMORY = 3e9  # bytes


def family(pid):
    """A process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def memory(pid):
    """Bytes that a process and all below it hold, what they share counted once."""
    total = 0
    for one in family(pid):
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += 1024 * int(rollup.split("Pss:")[1].split()[0])
    return total


class Watch(threading.Thread):
    """Looks at this process's memory each second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most = 0
        self.over = threading.Event()
        self.before = memory(os.getpid())

    def run(self):
        while not self.over.wait(1):
            self.most = max(self.most, memory(os.getpid()) - self.before)


def graded(submissions, folder, order):
    """Grade a class in an order; scores by student, and the most memory."""
    watch = Watch()
    watch.start()
    room = Classroom(LAB, folder)
    with alone_in(folder):
        room.grade(order(find_submissions(submissions, LAB)[0]))
    watch.over.set()
    paths = (folder / "students").glob("*.json")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {one["student"]: one["earned"] for one in results}, watch.most


@cache
def drawn():
    """The students by name, once in each process."""
    return {student.name: student for student in make_students(LAB, STUDENTS, seed=500)}


def expected(name):
    """What a student must earn, task by task and without the others."""
    return drawn()[name].expected(LAB)


def shuffled(handed):
    """The same in another order."""
    return random.Random(1).sample(handed, len(handed))


def test_a_class_of_lab_3_in_two_orders(tmp_path, record_property):
    hand_in(list(drawn().values()), tmp_path / "class")
    first, most = graded(tmp_path / "class", tmp_path / "first", list)
    record_property("megabytes", round(most / 1e6))
    second, _ = graded(tmp_path / "class", tmp_path / "second", shuffled)
    assert first == second
    wanted, failures = map_items(expected, drawn(), "scores in advance")
    assert not failures
    assert first == pytest.approx(dict(zip(drawn(), wanted, strict=True)))
    assert most < MEMORY


def test_hundreds_of_gradings_with_the_grader_killed(tmp_path, record_property):
    students = make_students(LAB, LIGHT, seed=1000, tasks=TASKS)
    hand_in(students, tmp_path / "class")
    results, rng = tmp_path / "results", random.Random(0)
    command = [sys.executable, "tests/light_class.py", tmp_path / "class", results]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    known: dict[Path, tuple[int, bytes]] = {}
    kills = 0
    while True:
        grader = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output, _ = grader.communicate(timeout=rng.uniform(0.5, 15))
            break
        except subprocess.TimeoutExpired:
            grader.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            grader.communicate()
            kills += 1
        now = {}
        for path in results.glob("students/*.json"):
            content = path.read_bytes()
            json.loads(content)  # whole
            now[path] = path.stat().st_ino, content
        assert known.items() <= now.items()  # none lost, none graded twice
        known = now
    assert grader.returncode == 0, output
    record_property("kills", kills)
    assert kills >= 3
    room = Classroom(LAB, results, TASKS)
    scores = {one.name: room.read(one.name)["earned"] for one in students}
    assert sorted(path.name for path in (results / "students").iterdir()) == sorted(
        f"{one.name}.json" for one in students
    )
    kinds = {tuple(map(str, one.answers.values())): one for one in students}
    for one in list(kinds.values())[:60]:
        assert scores[one.name] == pytest.approx(one.expected(LAB, TASKS))
