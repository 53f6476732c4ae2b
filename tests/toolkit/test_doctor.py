"""The doctor names what is missing, says what to do, and tells by its status if a lab can run."""

import subprocess
import sys

import pytest

from toolkit.machine import doctor
from toolkit.machine.doctor import Finding
from toolkit.paths import ROOT


def by_name(findings):
    return {finding.what: finding for finding in findings}


def test_every_necessary_package_is_here_within_its_bounds():
    findings = by_name(doctor.check_packages())
    assert {"tensorflow", "keras", "note-seq", "pytest"} <= set(findings)
    assert {finding.state for finding in findings.values()} == {"ok"}


def test_a_package_that_is_missing_or_out_of_bounds_is_told_apart(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "# a comment\n-r other.txt\nnumpy<1  # too old\nno-such-package>=2\nrich>=1\n"
        'only-on-old-pythons>=1; python_version < "3.0"\n'
    )
    numpy, absent, rich = doctor.check_packages(requirements)
    assert (numpy.state, numpy.what) == ("note", "numpy")
    assert "tried with numpy <1: make setup" in numpy.advice
    assert absent == Finding("MISSING", "no-such-package", "not installed", "make setup")
    assert rich.state == "ok"


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10), "MISSING"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "MISSING")],
)
def test_only_python_3_11_to_3_13_will_do(version, state):
    assert doctor.check_python(version).state == state


@pytest.mark.parametrize(("free", "state"), [(10**7, "MISSING"), (10**9, "note"), (10**10, "ok")])
def test_a_full_disk_is_missing_and_a_tight_one_a_note(free, state):
    assert doctor.check_disk(free).state == state


def test_the_backend_tells_its_device_and_precision():
    findings = by_name(doctor.check_backend())
    assert findings["backend"].state == "ok"
    assert findings["backend"].found.split()[0] in ("tensorflow", "jax")
    assert findings["GPU"].state in ("ok", "note")
    assert findings["precision"].found.startswith("auto means ")


def test_a_backend_that_does_not_start_is_missing_with_its_reason(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    (finding,) = doctor.check_backend()
    assert finding.state == "MISSING"
    assert finding.found.startswith("does not start: ")
    assert "abacus" in finding.found


def test_a_backend_that_crashes_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "ASK_BACKEND", "import os; os.abort()")
    (finding,) = doctor.check_backend()
    assert finding.found == "does not start: exit status -6"


def test_without_fluidsynth_there_is_still_sound(monkeypatch):
    monkeypatch.setenv("PATH", "")
    findings = by_name(doctor.check_sound())
    assert findings["FluidSynth"].state == "note"
    assert "apt install fluidsynth" in findings["FluidSynth"].advice
    assert findings["SoundFont"].state == "ok"


def test_colab_is_known_by_its_environment(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert by_name(doctor.check_machine())["Colab"].found == "yes"
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    assert by_name(doctor.check_machine())["Colab"].found == "no"


def test_data_sets_are_never_necessary(monkeypatch, tmp_path):
    monkeypatch.setattr("toolkit.data.datasets.CACHE", tmp_path)
    findings = list(doctor.check_data())
    assert {finding.state for finding in findings} == {"note"}
    assert findings[0].advice == "make data NAME=maestro when you want it"


def test_the_status_is_1_and_the_last_line_says_what_to_do_if_something_is_missing(
    monkeypatch, capsys
):
    monkeypatch.setattr(doctor, "check_backend", list)
    assert doctor.main() == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("next: make help")
    assert "MISSING" not in out
    lost = Finding("MISSING", "backend", "does not start", "make setup")
    monkeypatch.setattr(doctor, "check_backend", lambda: [lost])
    assert doctor.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "next: backend: make setup"


def test_an_environment_without_packages_is_one_sentence():
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "toolkit.doctor"], cwd=ROOT, capture_output=True, text=True
    )
    assert bare.returncode == 1
    assert bare.stderr.startswith("stopped: Python 3.")
    assert "run make setup" in bare.stderr
    assert "Traceback" not in bare.stderr
