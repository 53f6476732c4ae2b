"""Every wrong answer of a bank loses points on its own task and no other, no right one any."""

import ast
import json
import re
import zlib
from functools import cache
from types import SimpleNamespace

import pytest

from grading.core.collect import collect
from grading.core.recorded import recorded_answers
from grading.core.run import grade
from grading.proofs.bank import Entry, Judge, drawn_students, entries, grader_errors, tasks_upon
from grading.proofs.mutants import equivalent, mutants, survivors
from grading.proofs.mutants import sample as sampled
from labs.course.catalogue import all_labs, load_lab
from labs.course.definitions import definitions
from labs.course.stubs import replaced
from toolkit.paths import ROOT

LABS = [lab for lab in all_labs() if (ROOT / "grading" / f"lab{lab.number}" / "bank").is_dir()]
TASKS = [(lab, task) for lab in LABS for task in lab.tasks]
BANK = [entry for lab in LABS for entry in entries(lab)]
BY_LAB = pytest.mark.parametrize("lab", LABS, ids=lambda lab: f"lab{lab.number}")


@cache
def checks_of(number):
    """A lab's checks, collected once."""
    return collect(load_lab(number))


@cache
def judge_of(number):
    """A lab's judge, as an instructor has it."""
    return Judge(load_lab(number))


@cache
def solution_of(number):
    """A solution's definitions: name -> their syntax, written out."""
    source = load_lab(number).solution_file.read_text(encoding="utf-8")
    return {name: ast.dump(found.node) for name, found in definitions(source).items()}


def named(entry):
    return f"{'wrong' if entry.wrong else 'right'}-{entry.name}"


def sample():
    """Give an answer of every fifth task, always the same: two of three are wrong ones."""
    chosen = []
    for number, (_, task) in enumerate(TASKS[::5]):
        those = [entry for entry in BANK if entry.task == task and entry.wrong == (number % 3 > 0)]
        chosen.append(min(those, key=lambda entry: zlib.crc32(entry.name.encode())))
    return chosen


def told(verdict):
    """Say what a failed test says; None if all is as expected."""
    if not verdict.problems:
        return None
    return f"{verdict.entry.name}: {verdict.entry.says} {'; '.join(verdict.problems)}"


@pytest.mark.parametrize("entry", BANK, ids=named)
def test_the_bank_says_what_it_is_and_replaces_its_task(entry):
    assert entry.says.endswith(".")
    assert entry.task.name in definitions(entry.answer)
    properties = {
        check.says for check, _ in checks_of(entry.lab.number) if check.task == entry.task.id
    }
    assert entry.fails <= properties
    assert bool(entry.fails) == entry.wrong
    solution, mixed = solution_of(entry.lab.number), definitions(entry.source())
    assert set(solution) <= set(mixed)
    assert ast.dump(mixed[entry.task.name].node) != solution[entry.task.name]


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, marks=pytest.mark.xdist_group(f"bank{entry.lab.number}"))
        for entry in sample()
    ],
    ids=named,
)
def test_an_answer_fares_as_it_must(entry):
    # `make verify` grades every answer, and on more
    assert told(judge_of(entry.lab.number).judge(entry, [entry.task.id])) is None


@pytest.mark.verify
@BY_LAB
def test_every_answer_fares_as_it_must_whoever_hands_it_in(lab):
    """On all that builds on it, and its own task also with other students' hidden inputs.

    No public check asks the solution what hangs on the submission: a handout has its answers
    recorded.
    """
    recorded = frozenset(map(bytes.fromhex, json.loads(recorded_answers(lab))))
    bench = Judge(lab, drawn_students(lab), recorded)
    told_of = [told(bench.judge(entry, tasks_upon(lab, entry.task))) for entry in entries(lab)]
    told_of += [told(bench.judge(entry, [entry.task.id])) for entry in map(itself, lab.tasks)]
    assert "\n".join(filter(None, told_of)) == ""


def itself(task):
    """The solution as an answer to one of its tasks."""
    (lab,) = (lab for lab, other in TASKS if other is task)
    source = lab.solution_file.read_text(encoding="utf-8")
    found = definitions(source)[task.name]
    answer = "\n".join(source.splitlines()[found.line - 1 : found.end_line]) + "\n"
    return Entry(lab, task, f"{task.id} itself", False, "It is the solution.", answer)


def raising(lab, tasks):
    """The solution with some tasks that raise."""
    source = lab.solution_file.read_text(encoding="utf-8")
    for task in tasks:
        text = f"def {task.name}(*_, **__):\n    raise RuntimeError\n"
        source = replaced(source, task.name, text)
    return source


@pytest.mark.verify
@BY_LAB
def test_a_right_task_earns_all_its_points_though_every_other_raises(lab, tmp_path):
    earned = {}
    for task in lab.tasks:
        path = tmp_path / "tasks.py"
        path.write_text(raising(lab, [other for other in lab.tasks if other is not task]))
        result = grade(lab, str(path), checks_of(lab.number), [task.id], accept_open=True).result
        earned[task.id] = result.task(task.id).earned
    assert earned == pytest.approx({task.id: task.points for task in lab.tasks})


@pytest.mark.verify
@BY_LAB
def test_a_task_that_raises_earns_nothing(lab, tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(raising(lab, lab.tasks))
    result = grade(lab, str(path), checks_of(lab.number), accept_open=True).result
    outcomes = {check.outcome for task in result.tasks for check in task.checks}
    assert outcomes == {"failed"}


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=[task.id for _, task in TASKS])
def test_every_task_has_three_wrong_answers_and_a_right_one(lab, task):
    wrong = [entry.wrong for entry in entries(lab) if entry.task == task]
    assert wrong.count(True) >= 3
    assert wrong.count(False) >= 1


CONSTANTS = {
    "None": "None",
    "0": "0",
    "zeros": "blank(right)",
    "its first argument": "(*arguments, *named.values())[0]",
}
# what a constant may earn of a task: some checks of a contract cannot tell it from an answer
MOST = 0.1
ASIDE = """
def blank(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(blank, value))
    if isinstance(value, dict):
        return {key: blank(one) for key, one in value.items()}
    if isinstance(value, np.generic) or hasattr(value, "dtype"):
        return ops.zeros_like(value) if keras.ops.is_tensor(value) else np.zeros_like(value)
    return type(value)() if isinstance(value, (int, float, str, bool)) else None
"""
INSTEAD = """
def {name}(*arguments, **named):
    try:
        right = right_{name}(*arguments, **named) if {needed} else None
    except Exception:
        return None
    return {constant}
"""


def returns_something(node):
    """Whether a task is a function whose answer counts, and not what it does to a model."""
    inner = ast.walk(node) if isinstance(node, ast.FunctionDef) else ()
    return any(isinstance(one, ast.Return) and one.value is not None for one in inner)


@pytest.mark.verify
@pytest.mark.parametrize("constant", CONSTANTS)
@BY_LAB
def test_a_constant_earns_next_to_nothing(lab, constant, tmp_path):
    """Every function at once, each beside its right version, which the other tasks call."""
    source = lab.solution_file.read_text(encoding="utf-8")
    found = definitions(source)
    names = [task.name for task in lab.tasks if returns_something(found[task.name].node)]
    for name in names:
        source = re.sub(rf"\b{name}\b", f"right_{name}", source)
    source += ASIDE
    for name in names:
        code, needed = CONSTANTS[constant], "right" in CONSTANTS[constant]
        source += INSTEAD.format(name=name, needed=needed, constant=code)
    path = tmp_path / "tasks.py"
    path.write_text(source, encoding="utf-8")
    tasks = [task.id for task in lab.tasks if task.name in names]
    result = grade(lab, str(path), tasks=tasks, accept_open=True).result
    assert not grader_errors(result.tasks)
    earned = {id: result.task(id).earned / lab.task(id).points for id in tasks}
    assert {id: share for id, share in earned.items() if share > MOST} == {}


@pytest.mark.verify
@BY_LAB
def test_small_changes_of_a_solution_lose_points(lab):
    """A fixed sample; `python -m grading.mutants` draws others."""
    drawn = [mutant for task in lab.tasks for mutant in sampled(lab, task, seed=0, most=1)]
    assert "\n".join(mutant.difference for mutant in survivors(lab, drawn)) == ""


@BY_LAB
def test_a_change_that_is_known_to_be_right_can_still_be_made(lab):
    possible = {(task.id, mutant.change) for task in lab.tasks for mutant in mutants(lab, task)}
    for known, why in equivalent(lab).items():
        assert known in possible
        assert why.endswith(".")


def test_every_kind_of_small_change_is_made():
    source = """
def act(x, axis=None):
    # BEGIN SOLUTION
    if x < 3 and axis:
        x += 1
    return pow(-x, sum(x, start=x))
    # END SOLUTION
"""
    lab = SimpleNamespace(solution_file=SimpleNamespace(read_text=lambda encoding: source))
    changes = {one.change for one in mutants(lab, SimpleNamespace(name="act", id="9.1"))}
    for after in (
        "if x <= 3 and axis:",
        "if x < 3 or axis:",
        "if x < 4 and axis:",
        "if not (x < 3 and axis):",
        "x -= 1",
        "x += 2",
        "pass",
        "return pow(+x, sum(x, start=x))",
        "return pow(-x, sum(x))",
        "return pow(sum(x, start=x), -x)",
    ):
        assert any(change.endswith(f"+ {after}") for change in changes), after


def test_a_wrong_answer_is_graded_on_what_builds_on_it_too():
    lab = load_lab(3)
    assert tasks_upon(lab, lab.task("3.8")) == ["3.8", "3.9"]
