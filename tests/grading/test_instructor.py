"""What the instructor's page says of the labs is true of them."""

import re

import pytest

from labs.course.catalogue import all_labs
from toolkit.paths import ROOT

ROW = re.compile(r"^\| (\d) .*? \| (.*) \| (\d+) \|$", re.MULTILINE)
HOURS = re.compile(r"(\d+)\.(\d+)(?:–\d+\.(\d+))?(?:: ([\d.]+) each| .*? ([\d.]+)) *(?:·|$)")


def hours(cell: str) -> dict[str, float]:
    """Hours a task: "4.10 attention 2.5", or "4.11–4.13: 0.5 each"."""
    return {
        f"{lab}.{number}": float(each or alone)
        for lab, first, last, each, alone in HOURS.findall(cell)
        for number in range(int(first), int(last or first) + 1)
    }


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)
def test_hours_are_estimated_for_every_task_and_add_up(lab):
    rows = {int(number): rest for number, *rest in ROW.findall(page())}
    cell, total = rows[lab.number]
    estimates = hours(cell)
    assert list(estimates) == [task.id for task in lab.tasks]
    assert abs(sum(estimates.values()) - int(total)) <= 0.5


def page() -> str:
    """Read the instructor's page."""
    return (ROOT / "docs" / "instructor.md").read_text()
