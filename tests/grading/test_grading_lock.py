"""The lock: what a worker may still do, what it may not, and how the level is found and told."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import pytest

from grading.core.collect import collect
from grading.core.passes import run_check
from grading.core.processes import zygote
from grading.core.session import OPEN, Session
from grading.doors.submit import public_verdicts
from grading.sandbox.isolation import Isolation, own_folder, probe, unused_uid
from grading.sandbox.worker import seccomp
from grading.sandbox.worker.lock import CALLS, FILES, LAYERS
from grading.sandbox.worker.scratch import delete, usage
from grading.sandbox.workers import Raised, WorkerDied, Zygote
from labs.course.catalogue import load_lab
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("lock")
LAB = load_lab(3)
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


@pytest.fixture(scope="module")
def best():
    """The highest level that this machine gives."""
    return zygote(LAB).isolation


@pytest.fixture
def sealed(best):
    if best.level != "sealed":
        pytest.skip(f"this machine's workers are {best.text}")


@pytest.fixture
def locked():
    """A worker of a zygote without Keras, and its source loaded."""
    made = []

    def start(source, layers=LAYERS, **options):
        parent = Zygote((), layers=layers, **options)
        made.append(parent)
        worker = parent.worker()
        worker.allow(10)
        worker.load(compile(source, "tasks.py", "exec"))
        return worker

    yield start
    for parent in made:
        parent.close()


def call(worker, name, *args):
    return worker.ask(do="call", name=name, args=args, kwargs={})


def state(pid):
    """How the kernel calls what a process is doing: R, S, T, Z; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def processes_in(folder):
    """Processes that work in a folder, or did until it was deleted."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if os.readlink(place).startswith(str(folder)):
                found.append(place)
    return found


def within(seconds, condition):
    """Whether a condition comes true; the time is for machines however slow."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# What the lock withholds

DEEDS = f"""
import os, socket
def reads(): return len(open({str(ROOT / "README.md")!r}).read())
def writes():
    open("/dev/shm/etude-test", "w").close()
    os.unlink("/dev/shm/etude-test")
def connects(): socket.socket().close()
def starts():
    if os.fork() == 0: os._exit(0)
    os.wait()
def works():
    import colorsys, threading
    open("file", "w").write("x")
    thread = threading.Thread(target=os.listdir); thread.start(); thread.join()
    return os.listdir()
"""
OF_FILES, OF_CALLS = ("reads", "writes"), ("connects", "starts")


@pytest.mark.parametrize("off", [None, FILES, CALLS])
def test_each_layer_withholds_its_own_and_no_more(locked, sealed, off):
    layers = tuple(layer for layer in LAYERS if layer not in (off, "user"))
    worker = locked(DEEDS, layers)
    assert call(worker, "works") == ["file"]
    for deeds, layer in ((OF_FILES, FILES), (OF_CALLS, CALLS)):
        for deed in deeds:
            if layer == off:
                call(worker, deed)
            else:
                with pytest.raises(Raised, match="PermissionError"):
                    call(worker, deed)


def test_each_layer_switched_off_lowers_the_level(sealed):
    package = zygote(LAB).package
    levels = {
        layers: probe(package, layers).level
        for size in range(3)
        for layers in combinations((FILES, CALLS), size)
    }
    lower = {(): "open", (FILES,): "partial", (CALLS,): "partial", (FILES, CALLS): "sealed"}
    assert levels == lower


def test_a_probe_whose_canary_can_be_read_is_not_sealed(sealed, monkeypatch):
    import grading.sandbox.isolation

    monkeypatch.setattr(grading.sandbox.isolation, "CANARY", Path(os.__file__))
    found = probe(zygote(LAB).package)
    assert found.level == "partial"
    assert "it could read files" in found.text


def test_a_worker_that_cannot_lock_itself_is_the_graders_error_and_loads_nothing(sealed):
    parent = Zygote(())
    try:
        module = parent.package / "grading" / "sandbox" / "worker" / "seccomp.py"
        module.write_text("def restrict(): raise OSError(1, 'a kernel without it')\n")
        with pytest.raises(RuntimeError, match="a kernel without it"):
            parent.worker()
        assert {path.name for path in parent.folder.iterdir()} == {"lock", "package", "start.log"}
    finally:
        parent.close()


def test_a_process_with_two_threads_refuses_the_lock():
    program = (
        "import threading, time\n"
        "from grading.sandbox.worker.lock import NotLocked, lock\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "try: lock(['calls'], None, '/tmp')\n"
        "except NotLocked as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "thread" in done.stdout


@pytest.mark.skipif(not HEADER.is_file(), reason="no kernel headers here")
def test_the_filter_names_calls_by_their_right_numbers():
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text()))
    for errors in seccomp.REFUSED.values():
        for calls in errors.values():
            assert {name: int(numbers[name]) for name in calls if name in numbers} == calls
    names = ("clone", "kill", "tgkill", "prlimit64", "ioctl", "fcntl", "madvise", "prctl")
    assert [int(numbers[name]) for name in names] == [
        *(seccomp.CLONE, seccomp.KILL, seccomp.TGKILL, seccomp.PRLIMIT),
        *(seccomp.IOCTL, seccomp.FCNTL, seccomp.MADVISE, seccomp.PRCTL),
    ]
    assert sorted(seccomp.OPEN_FLAGS) == [int(numbers["open"]), int(numbers["openat"])]


def test_modes_and_owners_of_what_it_can_see_stay_as_they_are(locked, sealed, tmp_path):
    worker = locked("import os\ndef change(path): os.chmod(path, 0o777)\n")
    before = os.stat(os.__file__).st_mode
    call(worker, "change", os.__file__)
    assert os.stat(os.__file__).st_mode == before


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_older_versions_of_landlock_seal_with_seccomp_as_the_newest_does(best, sealed, version):
    parent = Zygote(())
    try:
        module = parent.package / "grading" / "sandbox" / "worker" / "landlock.py"
        text = module.read_text()
        assert "known = version()" in text
        module.write_text(text.replace("known = version()", f"known = {version}"))
        assert probe(parent.package).level == "sealed"
        alone = probe(parent.package, (FILES,))
        assert ("write files" in alone.text) == (version < 3), "truncation came with version 3"
    finally:
        parent.close()


# What works under it

NEEDS = """
import threading
import keras, matplotlib.pyplot as plt, music21, numpy as np
def needs():
    x, y = np.ones((8, 6, 6, 1), "f4"), np.arange(8) % 2
    model = keras.Sequential([
        keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3), keras.layers.Reshape((4, 8)),
        keras.layers.LSTM(3), keras.layers.Dense(2),
    ])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True), jit_compile=True)
    model.fit(x, y, batch_size=4, verbose=0)
    model.save("model.keras")
    same = keras.saving.load_model("model.keras").predict(x, verbose=0)
    model.save_weights("model.weights.h5")
    plt.plot([1, 2]); plt.savefig("plot.png")
    score = music21.converter.parse("tinynotation: 4/4 c4 d e f")
    score.write("midi", "score.mid")
    seen = []
    threads = [threading.Thread(target=seen.append, args=(i,)) for i in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return [same, model.predict(x, verbose=0), len(seen), len(score.flatten().notes)]
def corpus(): return len(music21.corpus.parse("bach/bwv66.6").parts)
"""


@pytest.mark.parametrize(
    "backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.verify)], ids=str
)
def test_training_xla_saving_plots_scores_and_threads_work(locked, monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    if backend == "jax":
        pytest.importorskip("jax")
        worker = locked(NEEDS, fresh=True)
    else:
        worker = zygote(LAB).worker()
        worker.allow(60)
        worker.load(compile(NEEDS, "tasks.py", "exec"))
    worker.allow(120)
    same, again, threads, notes = call(worker, "needs")
    assert same == pytest.approx(again)
    assert (threads, notes) == (4, 4)
    assert call(worker, "corpus") == 4
    worker.remove()


def test_what_the_lock_withholds_is_told_in_words(sealed, tmp_path):
    source = LAB.solution_file.read_text() + (
        "\nimport subprocess\ndef build_vocabulary(pieces, min_count=1):\n"
        "    return subprocess.run(['ls'])\n"
    )
    path = tmp_path / "tasks.py"
    path.write_text(source)
    found = [entry for entry in collect(LAB) if entry[0].task == "3.3" and not entry[0].hidden]
    session = Session(LAB, str(path), [check for check, _ in found])
    run_check(session, found[0][0].name, lambda student, *_: student.build_vocabulary([["a"]]))
    session.close()
    assert "cannot start a process" in session.result.task("3.3").checks[0].message


# Parents and children


def test_a_zygote_with_a_second_thread_forks_no_more_and_grades_all_the_same():
    parent = Zygote(("two_threads",))
    (parent.package / "two_threads.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(999,), daemon=True).start()\n"
    )
    try:
        worker = parent.worker()
        assert not parent.forks
        worker.allow(60)
        source = (
            "import os, threading\n"
            "def threads(): return threading.active_count()\n"
            "def listed(): return os.listdir('/home')\n"
        )
        worker.load(compile(source, "tasks.py", "exec"))
        assert call(worker, "threads") == 2
        with pytest.raises(Raised, match="PermissionError"):
            call(worker, "listed")
    finally:
        parent.close()


@pytest.mark.verify
def test_a_zygote_that_ran_an_op_forks_no_more_and_grades_all_the_same():
    parent = Zygote(("keras", "ran_an_op"))
    (parent.package / "ran_an_op.py").write_text("import keras\nkeras.ops.ones(3) + 1\n")
    try:
        worker = parent.worker()
        assert not parent.forks
        worker.allow(60)
        worker.load(
            compile("import keras\ndef f(): return keras.ops.ones(3) + 1", "tasks.py", "exec")
        )
        assert call(worker, "f").tolist() == [2, 2, 2]
    finally:
        parent.close()


def test_a_worker_runs_only_while_a_question_is_open(locked):
    worker = locked(
        "import threading, time\ndef busy():\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    call(worker, "busy")
    assert within(10, lambda: state(worker.pid) == "T")


@pytest.mark.parametrize("layers", [LAYERS, ()], ids=["locked", "open"])
def test_nothing_of_a_worker_outlives_it(locked, layers):
    worker = locked(
        "import os, time\ndef leave():\n"
        "    for _ in range(3):\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        "            if os.fork() == 0: time.sleep(60)\n"
        "            os._exit(0)\n",
        layers,
    )
    parent = worker.zygote
    children = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children")
    try:
        call(worker, "leave")
    except (Raised, WorkerDied):
        assert layers
    worker.remove()
    assert children.read_text() == ""
    assert {path.name for path in parent.folder.iterdir()} == {"lock", "package", "start.log"}


def test_a_killed_zygote_takes_its_workers_with_it_and_another_starts(locked):
    worker = locked("def f(): return 1")
    parent = worker.zygote
    os.kill(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    assert within(10, lambda: state(worker.pid) in ("", "Z"))
    with pytest.raises(WorkerDied):
        call(worker, "f")
    worker.remove()
    other = parent.worker()
    other.allow(10)
    other.load(compile("def f(): return 2", "tasks.py", "exec"))
    assert call(other, "f") == 2


def test_a_late_reply_is_taken_for_no_other_and_its_worker_ends(locked):
    first = locked("def f(): return 1")
    parent = first.zygote
    children = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children")
    os.kill(parent.process.pid, signal.SIGSTOP)
    parent.control.settimeout(0.1)
    first.remove()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="did not answer"):
            parent.worker()
    parent.control.settimeout(60)
    os.kill(parent.process.pid, signal.SIGCONT)
    other = parent.worker()
    other.allow(10)
    other.load(compile("def f(): return 2", "tasks.py", "exec"))
    assert call(other, "f") == 2
    assert within(10, lambda: children.read_text().split() == [str(other.pid)])
    other.remove()
    assert children.read_text() == ""


def test_a_grader_killed_half_way_leaves_a_whole_report_and_nothing_else(tmp_path):
    results = tmp_path / "results.json"
    command = ["-m", "pytest", "grading", "--lab=3", "--code=solution", f"--results={results}"]
    grader = subprocess.Popen(
        [sys.executable, *command, "--accept-open"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert within(120, lambda: results.is_file() or grader.poll() is not None)
    finally:
        grader.kill()
        grader.wait()
    written = json.loads(results.read_text())
    assert (written["possible"], len(written["tasks"])) == (100, 9)
    assert within(30, lambda: not list(tmp_path.glob("etude-grading-*")))
    assert within(30, lambda: not processes_in(tmp_path))


def test_a_folder_whose_grader_and_zygote_were_killed_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living, lock = own_folder()
    code = "import os; from grading.sandbox.isolation import own_folder; own_folder(); os._exit(1)"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment)
    assert len(list(tmp_path.iterdir())) == 2
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "lock").write_text("gold")
    link = tmp_path / "etude-grading-link"
    link.symlink_to(treasure)
    another, another_lock = own_folder()
    assert set(tmp_path.iterdir()) == {living, another, link, treasure}
    assert (treasure / "lock").read_text() == "gold"
    lock.close()
    another_lock.close()


COLLAPSING = """
import os, re
from grading.sandbox.worker.pages import LARGE, collapse

def large():
    text = open("/proc/self/smaps_rollup").read()
    return int(re.search(r"AnonHugePages: +([0-9]+)", text)[1])

content = os.urandom(LARGE)
kept = [bytearray(content) for _ in range(32)]
before = large()
collapse()
assert all(each == content for each in kept)
if (pid := os.fork()) == 0:
    kept[0][7] ^= 1
    os._exit(kept[0] == content or kept[1] != content)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert kept[0] == content
print(large() - before)
"""


def test_memory_on_large_pages_is_what_it_was():
    done = subprocess.run(
        [sys.executable, "-c", COLLAPSING], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    if int(done.stdout) == 0:
        pytest.skip("this kernel collapses nothing")
    assert int(done.stdout) > 16 << 10  # kB


def test_no_two_workers_have_one_user():
    with unused_uid() as one, unused_uid() as other:
        assert one != other


# Folders


def test_a_folder_is_deleted_however_deep_and_closed_it_is(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (folder / "closed").mkdir()
    (folder / "closed" / "moved-0").write_text("x")
    os.symlink(tmp_path, folder / "link")
    (folder / "closed").chmod(0)
    assert usage(folder, 2000)[1] > 2000
    delete(folder)
    assert list(tmp_path.iterdir()) == []


def grow(folder):
    """A folder of folders and 401 files, one of them its lock."""
    for number in range(200):
        path = folder / str(number % 7) / str(number % 5) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        (folder / f"{number}.txt").write_text("x")
    (folder / "lock").write_text("")


def test_several_delete_one_folder(tmp_path):
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        grow(folder)
        code = "import sys; from pathlib import Path\n"
        code += "from grading.sandbox.worker.scratch import delete\n"
        command = [sys.executable, "-c", f"{code}sys.stdin.read(); delete(Path({str(folder)!r}))"]
        deleting = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) for _ in range(3)]
        for process in deleting:
            process.stdin.close()
        assert [process.wait(60) for process in deleting] == [0, 0, 0]
        assert not folder.exists()


def test_where_a_deletion_was_cut_off_the_next_grader_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "etude-grading-cut"
    unlink = os.unlink
    for room in (1, 100, 250):
        left = iter(range(room))
        grow(folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", lambda path, left=left: (next(left), unlink(path)))
            with pytest.raises(StopIteration):
                delete(folder)
        assert (folder / "lock").exists()
        own, lock = own_folder()
        assert list(tmp_path.iterdir()) == [own]
        lock.close()
        delete(own)


def test_an_ordinary_user_deletes_what_nobody_may_look_into():
    program = (
        "import os, tempfile; from pathlib import Path\n"
        "from grading.sandbox.worker.privileges import become\n"
        "from grading.sandbox.worker.scratch import delete\n"
        "if os.geteuid() == 0: become(61_000)\n"
        "top = Path(tempfile.mkdtemp())\n"
        "(top / 'a/b/c').mkdir(parents=True)\n"
        "for name in ('a/b/c', 'a/b', 'a', '.'): (top / name).chmod(0)\n"
        "delete(top)\n"
        "assert not top.exists()\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_what_is_in_a_folder_is_counted_as_it_is_on_the_disk(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x" * 100_000)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    size, entries = usage(tmp_path, 10)
    assert entries == 3
    assert 100_000 <= size < 1_000_000


# What is told


def test_the_level_is_in_every_report(best, tmp_path):
    session = Session(LAB, "solution", [check for check, _ in collect(LAB)])
    assert session.result.as_json()["isolation"] == best.text
    assert public_verdicts(session)["isolation"] == best.text
    assert best.text.split()[0] in ("sealed", "partial", "open")


OPEN_MACHINE = (
    "import sys, pytest\n"
    "import grading.sandbox.workers\n"
    "from grading.sandbox.isolation import Isolation\n"
    "grading.sandbox.workers.probe = lambda *_: Isolation('open', (), 'open (a test)')\n"
    "sys.exit(pytest.main(['grading', '--task=3.3', '--collect-only', *sys.argv[1:]]))\n"
)


@pytest.mark.parametrize(
    ("options", "status"), [([], 4), (["--public"], 0), (["--accept-open"], 0)], ids=str
)
def test_hidden_checks_at_open_need_acceptance_and_public_ones_no_word(tmp_path, options, status):
    done = subprocess.run(
        [sys.executable, "-c", OPEN_MACHINE, f"--results={tmp_path / 'results.json'}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"},
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == status, said
    assert ("--accept-open" in said) == (status == 4)
    assert "Traceback" not in said
    assert "warning" not in said.lower()


def test_a_session_refuses_hidden_checks_at_open_whoever_asks(monkeypatch):
    monkeypatch.setattr(zygote(LAB), "isolation", Isolation("open", (), "open (a test)"))
    checks = [check for check, _ in collect(LAB)]
    hidden = next(check for check in checks if check.hidden)
    with pytest.raises(EtudeError, match=re.escape(OPEN[:20])):
        run_check(Session(LAB, "solution", checks), hidden.name, lambda *_: None)


def test_marks_that_reverse_code_are_reported(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(LAB.solution_file.read_text() + "\n# \u202e\n")
    session = Session(LAB, str(path), [check for check, _ in collect(LAB)])
    assert "U+202E" in session.result.as_json()["notes"][0]
