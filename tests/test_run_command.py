"""`make lab9`: stamp, whose code, settings, what is said when something is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_lab import make_lab, task_ids

import labs
from labs.catalogue import Lab
from labs.run import load_experiment, main, make_settings
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT
from toolkit.source import definitions, stubbed


@pytest.fixture
def lab(tmp_path: Path, monkeypatch) -> Lab:
    lab = make_lab(tmp_path / "labs")
    lab.tasks_file.write_text(stubbed(lab.solution_file.read_text(), task_ids(lab)))
    monkeypatch.setattr("labs.catalogue.LABS", lab.folder.parent)
    monkeypatch.setattr("toolkit.runs.RUNS", tmp_path / "runs")
    monkeypatch.setattr(labs, "__path__", [str(lab.folder.parent)])
    yield lab
    for name in [name for name in sys.modules if name.startswith("labs.lab9_small")]:
        del sys.modules[name]


@pytest.fixture
def run(lab, monkeypatch, capsys):
    """Run the command in this process; return what it printed."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["labs.run", *arguments])
        console.console.file = sys.stdout
        main()
        return capsys.readouterr().out

    monkeypatch.setattr(console.console, "_file", None)
    return run


def write(lab: Lab, task: str, body: str) -> None:
    text = lab.tasks_file.read_text()
    lab.tasks_file.write_text(text.replace(f'raise NotImplementedError("{task}")', body))


def test_a_run_starts_with_a_stamp_and_ends_with_the_next_thing_to_do(lab, run, tmp_path):
    write(lab, "9.1", "return 50")
    out = run("9").splitlines()
    assert out[0].startswith("Etude ")
    assert "checks" in out[0]
    assert "code: yours: double" in out
    assert "code: borrowed from the solution: shift, Scale" in out
    line = definitions(lab.tasks_file.read_text())["shift"].line
    assert out[-2].startswith("report: ")
    assert out[-1].startswith("next: write shift (task 9.2)")
    assert out[-1].endswith(f"lab9_small/tasks.py:{line}")
    latest = tmp_path / "runs" / "lab9" / "latest"
    assert (latest / "result.txt").read_text().startswith("60 Settings(epochs=2")
    assert json.loads((latest / "settings.json").read_text())["code"] == "tasks.py"


def test_options_and_set_override_the_preset(run, tmp_path):
    out = run("9", "--code", "solution", "--data", "outside", "--set", "epochs=3 sizes=4,5 top_k=7")
    assert "code: the solution throughout" in out
    assert "next: open the report" in out
    text = (tmp_path / "runs" / "lab9" / "latest" / "result.txt").read_text()
    assert text.startswith(
        "16 Settings(epochs=3, rate=0.5, data='outside', sizes=(4, 5), top_k=7, shuffle=True"
    )


@pytest.mark.parametrize(
    ("chosen", "overrides", "reason"),
    [
        ({}, "epoch=3", "no setting epoch: did you mean epochs?"),
        ({}, "zzz=3", "no setting zzz: there are epochs, rate, data"),
        ({"seed": "3"}, "", "no setting seed"),
        ({}, "epochs=three", 'epochs is "three": give a whole number'),
        ({}, "epochs=2.5", "give a whole number"),
        ({}, "epochs=", "give a whole number"),
        ({}, "rate=fast", "give a number"),
        ({}, "shuffle=7", "give true or false"),
        ({}, "top_k=x", "give a whole number or none"),
        ({}, "sizes=1,x", "sizes is"),
        ({}, "epochs 3", 'SET holds "epochs"'),
        ({}, "epochs='3", "epochs is"),
        ({"data": "mars"}, "", "no data set mars: inside, outside"),
    ],
)
def test_a_wrong_setting_is_one_sentence(lab, chosen, overrides, reason):
    with pytest.raises(EtudeError) as caught:
        make_settings(load_experiment(lab), "quick", chosen, overrides)
    assert reason in str(caught.value)


def test_values_are_read_by_their_fields_type(lab):
    experiment = load_experiment(lab)
    made = make_settings(experiment, "full", {}, "rate=1e-3 shuffle=false top_k=none sizes=3")
    assert (made.epochs, made.rate, made.shuffle, made.top_k) == (9, 0.001, False, None)
    assert made.sizes == (3,)
    assert isinstance(make_settings(experiment, "full", {}, "rate=2").rate, float)


def test_an_unknown_lab_or_preset_is_one_sentence(run):
    with pytest.raises(EtudeError, match="there is no lab 7: labs here are 9"):
        run("7")
    with pytest.raises(EtudeError, match="there is no preset fast: there are quick, full"):
        run("9", "--preset", "fast")
    with pytest.raises(EtudeError, match=r"there is no file nothing\.py"):
        run("9", "--code", "nothing.py")


def test_an_error_in_a_students_function_is_one_sentence_with_its_line(lab, run, tmp_path):
    write(lab, "9.1", "return x / 0")
    line = definitions(lab.tasks_file.read_text())["double"].line + 2
    with pytest.raises(EtudeError, match=rf"tasks\.py:{line}, in double: ZeroDivisionError"):
        run("9")
    error = tmp_path / "runs" / "lab9" / "latest" / "error.txt"
    assert "ZeroDivisionError" in error.read_text()


def test_what_a_student_returned_is_suspected_when_the_experiment_fails(lab, run):
    write(lab, "9.1", "return None")
    with pytest.raises(EtudeError, match=r"TypeError: .* returned: make grade LAB=9"):
        run("9")


def test_an_error_of_etudes_own_is_not_blamed_on_the_student(run, lab):
    (lab.folder / "experiment.py").write_text(
        (lab.folder / "experiment.py").read_text().replace("tasks.shift(3)", "1 / 0")
    )
    with pytest.raises(ZeroDivisionError):
        run("9", "--code", "solution")


def test_a_handout_stops_before_the_first_function_that_is_needed(run, lab):
    lab.solution_file.unlink()
    with pytest.raises(EtudeError, match=r"shift \(task 9\.2\) is not written yet: .*tasks\.py:"):
        run("9")


def test_a_misspelt_instrument_stops_the_run_before_it_trains(lab):
    experiment = load_experiment(lab)
    with pytest.raises(EtudeError, match=r"any of|no General MIDI"):
        make_settings(experiment, "quick", {"instrument": "acoustic bxss"}, "")
    assert make_settings(experiment, "quick", {"instrument": "acoustic bass"}, "").instrument
    with pytest.raises(EtudeError, match=r"there is no SoundFont none\.sf2"):
        make_settings(experiment, "quick", {"soundfont": "none.sf2"}, "")


INTERRUPTED = {
    "while it is imported": ("os.kill(os.getpid(), signal.SIGINT)\nmain = None", -2, ""),
    "at work": ("def main(): os.kill(os.getpid(), signal.SIGINT)", 130, "\nstopped by you.\n"),
}


@pytest.mark.parametrize("when", INTERRUPTED)
def test_ctrl_c_is_no_traceback_from_the_first_moment(tmp_path, when):
    body, status, said = INTERRUPTED[when]
    lines = ["import os, signal", body, "from toolkit.console import run_command"]
    (tmp_path / "command.py").write_text("\n".join([*lines, "run_command(main)", ""]))
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "command"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, said, "")
