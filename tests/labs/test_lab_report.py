"""What a run promised against what it obtained."""

from pathlib import Path

import pytest
from small_lab import TOML, make_lab

from labs.course.build import readme
from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.report import promises
from toolkit.errors import EtudeError
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


def small_lab(folder: Path, figure: str) -> Lab:
    """The small lab, its figure with one line more."""
    lab = make_lab(folder)
    (lab.folder / "lab.toml").write_text(f"{TOML}{figure}\n")
    return load_lab(9, folder)


def test_what_three_seeds_gave_stands_beside_the_promise(tmp_path):
    lab = small_lab(tmp_path, "range = [1.12, 1.15]")
    run = Run(Path("nowhere"), "lab9", "quick", {})
    (told,) = promises(lab, run, {"val_nats": 1.139}, judged=True)
    gave = "three seeds gave 1.12 to 1.15"
    assert told.promised == f"at most 1.5 validation loss, nats a token ({gave})"
    assert (told.obtained, told.kept) == ("1.14", True)
    source = lab.solution_file.read_text()
    assert f"| at most 1.5 ({gave}) | `make lab9` |" in readme(lab, source)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("[1.15, 1.12]", "figure loss: range is 1.15 to 1.12, the lower first"),
        ("[1.12, 1.6]", "figure loss: its range breaks its promise, 1.5"),
        ("[1.12]", "values"),
    ],
)
def test_a_range_that_cannot_be_is_refused(tmp_path, given, reason):
    with pytest.raises(EtudeError, match=rf"lab9_small/lab\.toml: .*{reason}"):
        small_lab(tmp_path, f"range = {given}")


def test_the_figures_of_an_interrupted_run_are_not_judged():
    (lab, *_) = TIMED
    run = Run(Path("nowhere"), "lab", "quick", {}, interrupted="interrupted in epoch 2 of 3")
    (told,) = promises(lab, run, {"seconds": 59.1}, judged=True)
    assert told.kept is None
