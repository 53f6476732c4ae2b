"""`make`: each setting reaches its command as it was typed, and switches can be off."""

import os
import re
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit.paths import ROOT

# nothing to install, and in each command's place its arguments, one a line
SHOW = ("READY=", "PY=:", "ETUDE=printf '%s\\n'")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# words of the shell and of make, besides letters of several scripts; make drops leading spaces
WORDS = st.text("ab ,;:=#%\"'`$(){}[]<>|&*?!~\\/-é音я", min_size=1).filter(
    lambda text: text[0] != " "
)


def make(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=ROOT,
        env=os.environ | {"MAKEFLAGS": ""} | environment,
        capture_output=True,
        text=True,
    )


def arguments(*words: str, **environment: str) -> list[str]:
    """What a target's command gets."""
    done = make(*SHOW, *words, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@settings(max_examples=30, deadline=None)
@given(value=WORDS)
@example("we\"ird it's do$lar back`id`")
@example("$(shell id)$$(id)${HOME}$")
@example("two words, класс/Übung 3\\")
@example("-x")
def test_a_setting_reaches_its_command_as_it_was_typed(value):
    expected = ["grading.classroom", f"--submissions={value}", "--lab=3"]
    assert arguments("class", f"SUBMISSIONS={value}", "LAB=3") == expected
    assert arguments("class", LAB="3", SUBMISSIONS=value) == expected
    expected = ["grading.classroom.rank", f"--submissions={value}", "--data=pop1k7"]
    assert arguments("rank", f"SUBMISSIONS={value}", "DATA=pop1k7") == expected


def test_nothing_in_a_setting_is_run(tmp_path):
    ran = tmp_path / "ran"
    for value in (f"$(shell touch {ran})", f"`touch {ran}`", f"'; touch {ran}; '"):
        arguments("lab3", f"SET={value}")
    for target in (f"lab3'; touch {ran}; '", f"la`touch {ran}`b"):
        make(*SHOW, target)
    assert not ran.exists()


@pytest.mark.parametrize("off", ["0", "no", "off", "false", ""])
@pytest.mark.parametrize(
    ("target", "switch"), [("build", "FORCE"), ("class", "REGRADE"), ("lab3", "RESUME")]
)
def test_a_switch_can_be_off(target, switch, off):
    option = f"--{switch.lower()}="
    assert not any(word.startswith(option) for word in arguments(target, f"{switch}={off}"))
    assert f"{option}1" in arguments(target, f"{switch}=1")


def test_switches_that_are_no_options_can_be_off():
    for value, expected in (("0", []), ("1", ["--accept-open"])):
        assert arguments("gradescope", f"ACCEPT_OPEN={value}") == ["grading.gradescope", *expected]
    setup = [make("-n", "setup", f"GPU={value}").stdout for value in ("0", "")]
    assert setup[0] == setup[1]


def test_no_variable_of_the_makefile_is_a_setting_too():
    settings = set(
        re.findall(r"\b[A-Z_]{2,}\b", " ".join(re.findall(r"options,(.*?)\)", MAKEFILE)))
    )
    assert {"RUN", "SUBMISSIONS", "RESUME"} <= settings
    assert not settings & set(re.findall(r"^(\w+) *:?=", MAKEFILE, re.MULTILINE))


def test_lab4_continue_takes_a_run_and_is_listed():
    assert arguments("lab4-continue", "RUN=/nope") == [
        "labs.course.continuation",
        "4",
        "--run=/nope",
    ]
    refused = make("READY=", "lab4-continue", "RUN=/nope")
    assert refused.returncode == 2
    assert "/nope is not a run with trained weights" in refused.stderr
    assert re.search(r"^  make lab4-continue \[RUN=", make().stdout, re.MULTILINE)


def test_a_trained_run_can_be_asked_and_that_is_listed():
    assert arguments("lab2-ask", "NUMBERS=1033 90210", "RUN=/nope") == [
        "labs.course.ask",
        "2",
        "--run=/nope",
        "--numbers=1033 90210",
    ]
    refused = make("READY=", "lab2-ask", "NUMBERS=7", "RUN=/nope")
    assert refused.returncode == 2
    assert "/nope is not a run with trained weights" in refused.stderr
    for command in ("lab1-ask COUNTRY=Greece LETTERS=ABC", 'lab2-ask NUMBERS="1033 90210"'):
        assert f"  make {command}" in make().stdout


def test_what_make_does_not_know_is_one_sentence():
    for word, sentence in (
        ("lab", "there is no 'make lab'"),
        ("labx", "there is no lab x: labs here are 1"),
        ("lab4-contine", "there is no lab 4-contine: labs here are 1"),
        ("lab9-continue", "there is no lab 9: labs here are 1"),
        ("lab2-continue", "lab 2 cannot be continued"),
        ("lab3-ask", "lab 3 cannot be asked"),
    ):
        done = make("READY=", word)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_machines_name_is_no_data_set():
    command = "labs.course.data"
    assert arguments("data", NAME="DESKTOP-1", FROM="here") == [command, "--from=here"]
    assert arguments("data", "NAME=maestro") == [command, "--name=maestro"]
