"""Every wrong answer of the bank loses points on its own task and no other, no right one any."""

import ast
from functools import partial

import pytest

from grading.bank import entries, judge, tasks_upon
from labs.catalogue import load_lab
from toolkit.parallel import map_items
from toolkit.source import definitions

LAB = load_lab(3)
BANK = entries(LAB)


@pytest.fixture(params=BANK, ids=lambda entry: f"{entry.path.parent.name}-{entry.path.stem}")
def entry(request):
    return request.param


def told(verdict):
    """What a failed test says."""
    return (
        f"{verdict.entry.says} It lost {verdict.on_its_task:.2f} on {verdict.entry.task.id}, "
        f"{verdict.elsewhere:.2f} elsewhere {verdict.errors}"
    )


def test_the_bank_says_what_it_is_and_replaces_its_task(entry):
    source = entry.path.read_text(encoding="utf-8")
    assert entry.says.endswith(".")
    assert entry.task.name in definitions(source)
    solution = definitions(LAB.solution_file.read_text(encoding="utf-8"))
    mixed = definitions(entry.source())
    assert set(solution) <= set(mixed)
    assert ast.dump(mixed[entry.task.name].node) != ast.dump(solution[entry.task.name].node)


def test_an_answer_fares_as_it_must(entry):
    verdict = judge(entry)
    assert verdict.expected, told(verdict)


@pytest.mark.verify
def test_no_answer_changes_another_task():
    on_all_tasks = partial(judge, all_tasks=True)
    verdicts, failures = map_items(on_all_tasks, BANK, "the bank, on all tasks")
    assert not failures
    assert not [told(verdict) for verdict in verdicts if not verdict.expected]


@pytest.mark.parametrize("task", LAB.tasks, ids=lambda task: task.id)
def test_every_task_has_three_wrong_answers_and_a_right_one(task):
    wrong = [entry.wrong for entry in BANK if entry.task == task]
    assert wrong.count(True) >= 3
    assert wrong.count(False) >= 1


def test_a_wrong_answer_is_graded_on_what_builds_on_it_too():
    assert tasks_upon(LAB, LAB.task("3.8")) == ["3.8", "3.9"]
