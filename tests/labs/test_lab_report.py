"""What a run promised against what it obtained."""

from pathlib import Path

import pytest

from labs.course.catalogue import all_labs
from labs.course.report import promises
from toolkit.training.runs import Run

TIMED = [lab for lab in all_labs() if any(figure.key == "seconds" for figure in lab.figures)]


@pytest.mark.parametrize("lab", TIMED, ids=lambda lab: lab.slug)
def test_the_time_of_a_resumed_run_is_not_judged(lab):
    told = {}
    for resumed in (False, True):
        run = Run(Path("nowhere"), "lab", "quick", {}, resumed=resumed)
        (told[resumed],) = promises(lab, run, {"seconds": 59.1}, judged=True)
    assert told[False].obtained == "59.1"
    assert told[False].kept is True
    assert told[True].obtained == "59.1 since it was resumed"
    assert told[True].kept is None
