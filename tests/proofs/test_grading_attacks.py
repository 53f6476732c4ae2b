"""The attacks of `grading/proofs/attacks` are contained, and none is harmless by itself."""

import json
import zlib

import pytest

from grading.core.collect import collect
from grading.core.passes import run_check
from grading.core.processes import zygote
from grading.core.session import Session
from grading.proofs.attacks.__main__ import FIGURES, Trial, attacks, run_as_another
from grading.sandbox.worker import landlock
from grading.sandbox.worker.lock import CALLS, FILES, LAYERS
from labs.course.catalogue import load_lab

pytestmark = pytest.mark.xdist_group("attacks")
LAB = load_lab(3)
READS = ["grading/proofs/attacks", "grading/lab3", "labs/lab3_notes"]
ATTACKS = attacks()
REACHING = {"reads_solution_file", "uses_dev_shm", "reaches_tcp", "uses_background_processes"}
BY_PROCESS = ("honest", "handed", "forges", "patches", "leaves", "breaks")  # whatever the lock


def sample():
    """Give a quarter of each group, always the same; `make verify` grades all of them."""

    def place(attack):
        return attack.name not in REACHING, zlib.crc32(attack.name.encode())

    groups = {}
    for attack in sorted(ATTACKS, key=place):
        groups.setdefault(attack.group, []).append(attack)
    return [attack for group in groups.values() for attack in group[: -(-len(group) // 4)]]


@pytest.fixture(scope="module")
def trial():
    """Where attacks are graded, one after another."""
    made = Trial(LAB)
    yield made
    made.close()


@pytest.mark.parametrize("attack", sample(), ids=lambda attack: attack.name)
def test_an_attack_is_contained(trial, attack):
    level = trial.zygote.isolation.level
    if level != "sealed" and attack.group not in BY_PROCESS:
        pytest.skip(f"this machine's workers are {level}")
    assert trial.problems(attack) == []


def test_every_attack_says_what_it_tries():
    for attack in ATTACKS:
        assert attack.says.endswith("."), attack.name
        attack.touches("3.3", hidden=True)


def through(layers, names):
    """Those of `names` that a worker with these layers does not contain."""
    trial = Trial(LAB, layers)
    try:
        return {
            attack.name for attack in ATTACKS if attack.name in names and trial.problems(attack)
        }
    finally:
        trial.close()


@pytest.mark.verify(reads=READS)
@pytest.mark.parametrize("layers", [LAYERS, (FILES, CALLS)], ids="-".join)
def test_all_are_contained_where_workers_are_sealed(layers):
    if zygote(LAB).isolation.level != "sealed":
        pytest.skip("this machine lacks a layer")
    assert through(layers, {attack.name for attack in ATTACKS}) == set()


@pytest.mark.verify(reads=READS)
@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((CALLS,), {"reads_solution_file", "uses_dev_shm"}),
        ((FILES,), {"reaches_tcp", "uses_background_processes"}),
        ((), REACHING),
    ],
    ids=lambda value: "-".join(sorted(value)) or "none",
)
def test_without_a_layer_the_attacks_that_it_holds_get_through(layers, expected):
    if zygote(LAB).isolation.level != "sealed":
        pytest.skip("this machine lacks a layer")
    if FILES in layers and landlock.version() >= 4:
        expected = expected - {"reaches_tcp"}  # which Landlock holds, too, since that version
    rows = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert through(layers, {name for row in rows for name in row["got through"]}) >= expected


@pytest.mark.verify(reads=READS)
def test_all_are_contained_for_an_ordinary_user_too():
    found = run_as_another((FILES, CALLS))
    if found is None:
        pytest.skip("another user cannot read this interpreter, or this is not root")
    assert found["isolation"].startswith("sealed")
    assert not {name: problems for name, problems in found["problems"].items() if problems}


def test_reports_depend_neither_on_order_nor_on_company(tmp_path):
    solution = LAB.solution_file.read_text()
    sources = {
        "right": solution,
        "wrong": solution.replace("-counts[token], token", "token"),
        "dies": solution
        + "\ndef build_vocabulary(pieces, min_count=1):\n    import os; os._exit(0)\n",
    }
    chosen = [entry for entry in collect(LAB) if entry[0].task in ("3.3", "3.4")]
    declared = [check for check, _ in collect(LAB)]

    def session(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "tasks.py").write_text(sources[name])
        return Session(LAB, str(folder / "tasks.py"), declared, accept_open=True)

    def report(one):
        plain = one.result.without_times()
        one.close()
        return plain

    def after_another(names):
        found = {}
        for name in names:
            one = session(name)
            for check, test in chosen:
                run_check(one, check.name, test)
            found[name] = report(one)
        return found

    together = {name: session(name) for name in sources}
    for check, test in chosen:
        for one in together.values():
            run_check(one, check.name, test)
    side_by_side = {name: report(one) for name, one in together.items()}
    assert after_another(sources) == after_another(reversed(sources)) == side_by_side
    assert side_by_side["right"]["earned"] > side_by_side["wrong"]["earned"] > 0
