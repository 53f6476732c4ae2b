"""Full-size proofs of a class: hundreds of Lab 3 in two orders, a thousand gradings with kills."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

import pytest
from light_class import LAB, TASKS
from made_class import hand_in, make_students

from grading.classroom.run import Classroom, alone_in
from grading.classroom.submissions import find_submissions
from toolkit.data.parallel import available_cores, map_items
from toolkit.paths import ROOT

pytestmark = [pytest.mark.verify, pytest.mark.xdist_group("class")]
MEMORY = 3e9  # bytes
MINUTES = 10  # for 500 submissions on two cores


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


def graded(submissions, folder, order, tasks=None):
    """Grade a class in an order; scores by student, seconds, and the most memory."""
    watch, begin = Watch(), time.monotonic()
    watch.start()
    room = Classroom(LAB, folder, tasks)
    with alone_in(folder):
        room.grade(order(find_submissions(submissions, LAB)[0]))
    seconds = time.monotonic() - begin
    watch.over.set()
    paths = (folder / "students").glob("*.json")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {one["student"]: one["earned"] for one in results}, seconds, watch.most


@cache
def drawn():
    """The 500 students by name, once in each process."""
    return {student.name: student for student in make_students(LAB, 500, seed=500)}


def expected(name):
    """What a student must earn, task by task and without the others."""
    return drawn()[name].expected(LAB)


def shuffled(handed):
    """The same in another order."""
    return random.Random(1).sample(handed, len(handed))


def test_five_hundred_of_lab_3_in_two_orders(tmp_path, record_property):
    hand_in(list(drawn().values()), tmp_path / "class")
    first, seconds, most = graded(tmp_path / "class", tmp_path / "first", list)
    record_property("minutes", round(seconds / 60, 1))
    record_property("megabytes", round(most / 1e6))
    second, _, _ = graded(tmp_path / "class", tmp_path / "second", shuffled)
    assert first == second
    wanted, failures = map_items(expected, drawn(), "scores in advance")
    assert not failures
    assert first == pytest.approx(dict(zip(drawn(), wanted, strict=True)))
    assert most < MEMORY
    if available_cores() == 2:
        assert seconds < 60 * MINUTES


def test_a_thousand_gradings_with_the_grader_killed(tmp_path, record_property):
    students = make_students(LAB, 1000, seed=1000, tasks=TASKS)
    hand_in(students, tmp_path / "class")
    results, rng = tmp_path / "results", random.Random(0)
    command = [sys.executable, "tests/light_class.py", tmp_path / "class", results]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    known: dict[Path, tuple[int, bytes]] = {}
    kills = 0
    while True:
        run = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output, _ = run.communicate(timeout=rng.uniform(0.5, 25))
            break
        except subprocess.TimeoutExpired:
            run.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            run.communicate()
            kills += 1
        now = {}
        for path in results.glob("students/*.json"):
            content = path.read_bytes()
            json.loads(content)  # whole
            now[path] = path.stat().st_ino, content
        assert known.items() <= now.items()  # none lost, none graded twice
        known = now
    assert run.returncode == 0, output
    record_property("kills", kills)
    assert kills >= 5
    room = Classroom(LAB, results, TASKS)
    scores = {one.name: room.read(one.name)["earned"] for one in students}
    assert sorted(path.name for path in (results / "students").iterdir()) == sorted(
        f"{one.name}.json" for one in students
    )
    kinds = {tuple(map(str, one.answers.values())): one for one in students}
    for one in list(kinds.values())[:60]:
        assert scores[one.name] == pytest.approx(one.expected(LAB, TASKS))


@pytest.mark.parametrize(
    ("tasks", "count", "least"), [(("3.4",), 500, 300), (None, 40, 20)], ids=["light", "training"]
)
def test_submissions_a_minute_and_core(tmp_path, record_property, tasks, count, least):
    students = make_students(LAB, count, seed=7, tasks=tasks)
    hand_in(students, tmp_path / "class")
    graded(tmp_path / "class", tmp_path / "warm", lambda handed: handed[:2], tasks)
    _, seconds, _ = graded(tmp_path / "class", tmp_path / "results", list, tasks)
    rate = 60 * count / seconds / available_cores()
    record_property("a minute and core", round(rate))
    assert rate >= least
