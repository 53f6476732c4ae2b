"""`make lab9`: stamp, whose code, settings, what is said when something is wrong."""

import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_lab import make_lab, task_ids

import labs
from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.definitions import definitions
from labs.course.report import lab_report
from labs.course.run import load_experiment, main, make_settings, parse_value
from labs.course.stubs import stubbed
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.music.sound import DEFAULT_SOUNDFONT
from toolkit.paths import ROOT
from toolkit.training.settings import Count, FractionBelowOne

# semitones, up and down
ANY_NUMBER = ("transpose", "semitones")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch) -> Lab:
    lab = make_lab(tmp_path / "labs")
    lab.tasks_file.write_text(stubbed(lab.solution_file.read_text(), task_ids(lab)))
    monkeypatch.setattr("labs.course.catalogue.LABS", lab.folder.parent)
    monkeypatch.setattr("toolkit.training.runs.RUNS", tmp_path / "runs")
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
        ({}, "top_k=x", "give a whole number from 1 or none"),
        ({}, "sizes=1,x", "sizes is"),
        ({}, "epochs 3", 'SET holds "epochs"'),
        ({}, "epochs='3", "epochs is"),
        ({}, "epochs=-1", 'epochs is "-1": give a whole number from 1'),
        ({}, "epochs=0", "give a whole number from 1"),
        ({}, "epochs=true", "give a whole number from 1"),
        ({}, "top_k=0", "give a whole number from 1 or none"),
        ({}, "sizes=1,0", 'sizes is "0": give a whole number from 1'),
        ({}, "sizes=()", "give one or several with commas between"),
        ({}, "rate=0", "give a number above 0"),
        ({}, "rate=1e999", "give a number above 0"),
        ({}, "rate=nan", "give a number above 0"),
        ({}, "dropout=7", 'dropout is "7": give a number from 0, below 1'),
        ({}, "dropout=1", "give a number from 0, below 1"),
        ({}, "=", 'SET holds "=": write it like'),
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


@given(st.integers() | st.floats())
def test_a_number_is_taken_if_its_range_has_it(number):
    in_range = {Count: type(number) is int and number >= 1, FractionBelowOne: 0 <= number < 1}
    for kind, expected in in_range.items():
        try:
            assert parse_value("units", repr(number), kind) == number
            assert expected
        except EtudeError:
            assert not expected


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)
def test_every_number_among_a_labs_settings_has_a_range_and_every_preset_is_in_it(lab):
    experiment = load_experiment(lab)
    for preset, settings in experiment.PRESETS.items():
        kinds = typing.get_type_hints(type(settings), include_extras=True)
        for name, kind in kinds.items():
            assert name in ANY_NUMBER or kind not in (int, float, int | None), name
            value = getattr(settings, name)
            text = ",".join(map(str, value)) + "," if isinstance(value, tuple) else str(value)
            if "str" not in str(kind):
                assert parse_value(name, text, kind) == value, (preset, name)


@pytest.mark.parametrize(
    ("number", "overrides"),
    [
        (1, "epochs=0"), (1, "balance=1.1"), (1, "temperature=-1"), (1, "transformer_dropout=1"),
        (2, "num_pairs=0"), (2, "dropout=7"), (2, "gru_rate=0"), (2, "beta_2=1"),
        (3, "epochs=-1"), (3, "units=0"), (3, "dropout=7"), (3, "batch_size=0"),
        (3, "max_pieces=-5"), (3, "temperatures=0.8,-1"), (3, "tempo=0"), (3, "seed=-1"),
        (4, "window=0"), (4, "stretches=0"), (4, "top_p=0"), (4, "cooldown=2"), (4, "seed=2.5"),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_before_anything_is_prepared(number, overrides):
    name = overrides.partition("=")[0]
    with pytest.raises(EtudeError, match=rf'^{name} is "[^"]*": give a '):
        make_settings(load_experiment(load_lab(number)), "quick", {}, overrides)


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


def losses(run, epochs: int) -> None:
    """Write the log of a network that has trained for so many epochs."""
    rows = [f"{epoch},{3 - epoch},{4 - epoch}" for epoch in range(epochs)]
    head = "epoch,nats_per_token,val_nats_per_token"
    run.part("lstm").path("log.csv").write_text("\n".join([head, *rows, ""]))


def test_a_run_that_fails_after_training_reports_what_there_is(lab, run, tmp_path, monkeypatch):
    def experiment(tasks, settings, run):
        run.begin()
        losses(run, 2)
        tasks.shift(3)

    write(lab, "9.1", "return x / 0")
    monkeypatch.setattr(load_experiment(lab), "run_experiment", experiment)
    with pytest.raises(EtudeError, match="in double: ZeroDivisionError"):
        run("9")
    page = (tmp_path / "runs" / "lab9" / "latest" / "report.html").read_text()
    assert "The run stopped early: " in page
    assert "in double: ZeroDivisionError: division by zero. This is what" in page
    assert re.search(r"lstm</th>(\s*<td[^>]*>[\d.]+</td>){3}", page)
    assert "data:image/png" in page
    assert "borrowed from the solution" in page


def test_a_run_that_is_interrupted_reports_what_there_is_and_says_where(
    lab, run, tmp_path, monkeypatch, capsys
):
    def experiment(tasks, settings, run):
        run.begin()
        raise KeyboardInterrupt

    monkeypatch.setattr(load_experiment(lab), "run_experiment", experiment)
    with pytest.raises(KeyboardInterrupt):
        run("9", "--code", "solution")
    assert re.search(r"report of what there is: .*report\.html", capsys.readouterr().out)
    page = (tmp_path / "runs" / "lab9" / "latest" / "report.html").read_text()
    assert "The run stopped early: it was interrupted." in page
    assert "No epoch was finished." in page


def test_a_report_that_is_begun_keeps_its_sections_when_the_run_fails(
    lab, run, tmp_path, monkeypatch
):
    def experiment(tasks, settings, run):
        run.begin()
        with lab_report(run, tasks, "small", "", {}, judged=False) as report:
            report.add_text("Scores", "As measured.")
            tasks.shift(3)

    write(lab, "9.1", "return x / 0")
    monkeypatch.setattr(load_experiment(lab), "run_experiment", experiment)
    with pytest.raises(EtudeError, match="in double: ZeroDivisionError"):
        run("9")
    page = (tmp_path / "runs" / "lab9" / "latest" / "report.html").read_text()
    assert "As measured." in page
    assert page.count("ZeroDivisionError") == 1


def test_latest_never_leads_to_a_run_without_a_report(lab, run, tmp_path, monkeypatch):
    def stops(tasks, settings, run):
        tasks.shift(3)

    latest = tmp_path / "runs" / "lab9" / "latest"
    run("9", "--code", "solution")
    before = latest.resolve()
    write(lab, "9.1", "return x / 0")
    monkeypatch.setattr(load_experiment(lab), "run_experiment", stops)
    with pytest.raises(EtudeError, match="ZeroDivisionError"):
        run("9")
    assert len(list(before.parent.glob("*-*"))) == 2
    assert latest.resolve() == before


def test_a_handout_stops_before_the_first_function_that_is_needed(run, lab):
    lab.solution_file.unlink()
    with pytest.raises(EtudeError, match=r"shift \(task 9\.2\) is not written yet: .*tasks\.py:"):
        run("9")


def test_a_refused_run_leaves_no_folder_and_the_one_before_is_gone_on_with(
    lab, run, tmp_path, monkeypatch
):
    def crash(tasks, settings, run):
        run.begin()
        raise OSError("the disk is full")

    def refuse(tasks, settings, run):
        raise EtudeError("PRECISION is 'fp8'")

    experiment = load_experiment(lab)
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "run_experiment", crash)
        with pytest.raises(OSError, match="disk"):
            run("9", "--code", "solution")
        patch.setattr(experiment, "run_experiment", refuse)
        with pytest.raises(EtudeError, match="PRECISION"):
            run("9", "--code", "solution")
    runs = tmp_path / "runs" / "lab9"
    (crashed,) = runs.glob("*-*")
    assert json.loads((crashed / "status.json").read_text())["state"] == "crashed"
    with pytest.raises(EtudeError, match="RESUME=nowhere is not an unfinished run"):
        run("9", "--code", "solution", "--resume", "nowhere")
    for resume in ("1", str(crashed), str(runs / "latest")):
        (crashed / "status.json").write_text('{"state": "training"}')
        assert "Going on with" in run("9", "--code", "solution", "--resume", resume)
    assert list(runs.glob("*-*")) == [crashed]


def test_a_misspelt_instrument_stops_the_run_before_it_trains(lab):
    experiment = load_experiment(lab)
    with pytest.raises(EtudeError, match=r"any of|no General MIDI"):
        make_settings(experiment, "quick", {"instrument": "acoustic bxss"}, "")
    assert make_settings(experiment, "quick", {"instrument": "acoustic bass"}, "").instrument


def test_what_is_no_soundfont_stops_the_run_before_it_trains(lab, tmp_path):
    experiment = load_experiment(lab)
    (tmp_path / "text.sf2").write_text("a text of mine")
    for name, reason in (("none.sf2", "no SoundFont"), ("text.sf2", "is not a SoundFont")):
        with pytest.raises(EtudeError, match=rf"{reason}.* \.sf2"):
            make_settings(experiment, "quick", {"soundfont": str(tmp_path / name)}, "")
    given = {"soundfont": str(DEFAULT_SOUNDFONT)}
    assert make_settings(experiment, "quick", given, "").soundfont == str(DEFAULT_SOUNDFONT)


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
