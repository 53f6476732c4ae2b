"""`make data`: lists the data sets, makes one available, and prepares what labs train on."""

import os
import subprocess
import sys

from labs.course import data
from labs.course.catalogue import load_lab
from toolkit.data import datasets, preparation
from toolkit.paths import ROOT


def test_the_command_lists_what_there_is_and_ends_with_2_for_a_mistake():
    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "labs.course.data", *arguments],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    listed = command()
    assert listed.returncode == 0
    for name in ("maestro", "groove", "names18", "pop1k7"):
        assert name in listed.stdout
    assert listed.stdout.splitlines()[-1].startswith("next: ")
    for arguments in (("--name", "bach"), ("--from", "somewhere")):
        mistaken = command(*arguments)
        assert mistaken.returncode == 2
        assert mistaken.stderr.startswith("stopped: ")
        assert mistaken.stderr.count("\n") == 1


def test_a_data_set_is_fetched_and_prepared_for_the_labs_that_use_it(monkeypatch, tmp_path, capsys):
    prepared = []
    monkeypatch.setattr(datasets, "fetch", lambda name, source: tmp_path)
    monkeypatch.setattr(preparation, "prepare", prepared.append)
    monkeypatch.setattr("sys.argv", ["make data", "--name", "maestro"])
    data.main()
    names = [one.name for one in prepared]
    assert {"maestro-as-notes", "maestro-as-events"} <= set(names)
    output = capsys.readouterr().out
    for text in ("maestro is in", "licence:", "Lab 3: the tokens of maestro", "Lab 4: the tokens"):
        assert text in output


def test_a_lab_prepares_what_it_can_without_a_students_code():
    assert data.preparations(load_lab(2)) == {}
    assert list(data.preparations(load_lab(3))) == ["maestro"]
    assert {"maestro", "groove"} <= data.preparations(load_lab(4)).keys()
