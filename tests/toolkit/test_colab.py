"""A notebook's set-up on Colab, simulated: its variable, its folders, its packages and Drive."""

import importlib
import os
import subprocess
import sys
import types
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from filled_notebook import course_copy

from labs.course.build import REPOSITORY, SETUP
from toolkit.errors import EtudeError
from toolkit.machine import colab
from toolkit.machine.doctor import Finding


class Pip:
    """Stands for pip: keeps its command and constraints, installs nothing."""

    def __init__(self, status=0, words=""):
        self.status, self.words = status, words
        self.commands: list[list[str]] = []
        self.constraints: list[str] = []

    def __call__(self, command, **options):
        self.commands.append(command)
        place = Path(command[command.index("--constraint") + 1])
        self.constraints = place.read_text().splitlines()
        return subprocess.CompletedProcess(command, self.status, "", self.words)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Colab's folders, with the course's data and runs in it, and a Drive."""
    content = tmp_path / "content"
    for name in ("CACHE", "RUNS"):
        folder = content / "etude" / name.lower()
        folder.mkdir(parents=True)
        monkeypatch.setattr(colab, name, folder)
    monkeypatch.setattr(colab, "CONTENT", content)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20261101")

    def mount(place):
        (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)

    drive = types.ModuleType("google.colab.drive")
    drive.mount = mount
    monkeypatch.setitem(sys.modules, "google.colab.drive", drive)
    return content


def versions(monkeypatch, **known):
    """Let these packages have these versions, and no other be installed."""
    monkeypatch.setattr(colab, "installed", known.get)


def requirements(folder, *lines):
    path = folder / "requirements.txt"
    path.write_text("\n".join(lines))
    return path


def test_elsewhere_nothing_happens(monkeypatch, capsys):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(colab, "install_missing", pytest.fail)
    colab.prepare(drive=True)
    assert capsys.readouterr().out == ""


# Packages


def test_what_is_missing_is_installed_and_colabs_own_stays(tmp_path, monkeypatch, capsys):
    versions(monkeypatch, tensorflow="2.19.0", keras="3.13.2", numpy="2.0.2", rich="1.0")
    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip)
    lines = ["tensorflow>=2.20,<2.22", "keras>=3.12,<4", "music21>=9.9,<11", "rich>=13.9"]
    assert colab.install_missing(requirements(tmp_path, *lines)) == ["music21", "rich"]
    (command,) = pip.commands
    assert set(command[-2:]) == {"music21<11,>=9.9", "rich>=13.9"}
    assert pip.constraints == ["tensorflow==2.19.0", "keras==3.13.2", "numpy==2.0.2"]
    assert "tensorflow 2.19.0 is Colab's and stays" in capsys.readouterr().out


def test_nothing_is_installed_where_all_is_there(tmp_path, monkeypatch):
    versions(monkeypatch, tensorflow="2.21.0", music21="10.1")
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    assert colab.install_missing(requirements(tmp_path, "tensorflow>=2.20", "music21>=9")) == []


def test_tensorflow_comes_where_there_is_none(tmp_path, monkeypatch):
    versions(monkeypatch)
    monkeypatch.setattr(subprocess, "run", Pip())
    assert colab.install_missing(requirements(tmp_path, "tensorflow>=2.20")) == ["tensorflow"]


def test_a_package_that_cannot_be_had_is_one_sentence(tmp_path, monkeypatch):
    versions(monkeypatch, numpy="2.0.2")
    monkeypatch.setattr(subprocess, "run", Pip(1, "long story\nERROR: ResolutionImpossible\n"))
    with pytest.raises(EtudeError, match=r"pip could not install music21 beside .*Impossible$"):
        colab.install_missing(requirements(tmp_path, "music21>=9.9"))


def wheel(folder, name, version, needs=""):
    """Write a package that holds nothing."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", about + (f"Requires-Dist: {needs}\n" if needs else ""))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.mark.verify
def test_pip_itself_leaves_tensorflow_alone(tmp_path, monkeypatch):
    """Packages made here, one of which asks for another TensorFlow than is installed."""
    for word in (("tensorflow", "2.19"), ("tensorflow", "2.21"), ("tame", "1"), ("tame", "2")):
        wheel(tmp_path, *word, needs="tensorflow>=2.20" if word == ("tame", "2") else "")
    wheel(tmp_path, "greedy", "1", needs="tensorflow>=2.20")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "colab"], check=True)
    python = tmp_path / "colab" / "bin" / "python"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    subprocess.run([python, "-m", "pip", "-q", "install", "tensorflow==2.19"], check=True)
    monkeypatch.setattr(sys, "executable", str(python))
    versions(monkeypatch, tensorflow="2.19")
    assert colab.install_missing(requirements(tmp_path, "tensorflow>=2.20", "tame")) == ["tame"]
    with pytest.raises(EtudeError, match="pip could not install greedy beside Colab's own"):
        colab.install_missing(requirements(tmp_path, "greedy"))
    found = {
        one.metadata["Name"]: one.version
        for one in metadata.distributions(path=map(str, tmp_path.glob("colab/lib/*/site-packages")))
    }
    assert (found["tensorflow"], found["tame"]) == ("2.19", "1")
    assert "greedy" not in found


# GPU, data and runs


def test_the_gpu_and_the_precision_are_told(machine, monkeypatch, capsys):
    monkeypatch.setattr(colab, "install_missing", list)
    found = [Finding("ok", "GPU", "Tesla T4"), Finding("ok", "precision", "auto means float16")]
    monkeypatch.setattr("toolkit.machine.doctor.check_backend", lambda: found)
    colab.prepare()
    output = capsys.readouterr().out
    assert "GPU: Tesla T4" in output
    assert "precision: auto means float16" in output
    assert "are lost with it: prepare(drive=True)" in output
    assert not colab.CACHE.is_symlink()
    found[0] = Finding("note", "GPU", "none", "")
    colab.prepare()
    assert "Change runtime type" in capsys.readouterr().out


def test_data_and_runs_move_to_drive_and_are_there_the_next_time(machine, monkeypatch):
    monkeypatch.setattr(colab, "install_missing", list)
    monkeypatch.setattr("toolkit.machine.doctor.check_backend", list)
    (colab.CACHE / "corpus").mkdir()
    (colab.CACHE / "corpus" / "tokens").write_text("12")
    colab.prepare(drive=True)
    colab.prepare(drive=True)
    drive = machine / "drive" / "MyDrive" / "etude"
    assert (drive / "cache" / "corpus" / "tokens").read_text() == "12"
    (colab.RUNS / "lab3").mkdir()
    assert (drive / "runs" / "lab3").is_dir()
    # the next session's machine: the course anew, the same Drive
    for place in (colab.CACHE, colab.RUNS):
        place.unlink()
        place.mkdir()
    colab.prepare(drive=True)
    assert (colab.CACHE / "corpus" / "tokens").read_text() == "12"
    assert (colab.RUNS / "lab3").is_dir()


def test_of_what_both_have_drives_counts_and_nothing_is_lost(machine, capsys):
    drive = colab.mounted()
    (drive / "cache").mkdir()
    (drive / "cache" / "corpus").write_text("Drive's")
    (colab.CACHE / "corpus").write_text("here")
    colab.keep_on(drive)
    assert (colab.CACHE / "corpus").read_text() == "Drive's"
    (aside,) = colab.CACHE.parent.glob("cache-*")
    assert (aside / "corpus").read_text() == "here"
    assert "stays in" in capsys.readouterr().out


def test_a_drive_that_is_refused_or_full_is_one_sentence(machine, monkeypatch):
    drive = colab.mounted()
    (drive / "runs").write_text("in the way")
    with pytest.raises(EtudeError, match=r"cannot be written .*make room on Drive"):
        colab.keep_on(drive)

    def refuse(place):
        raise ValueError("mount failed")

    monkeypatch.setattr(sys.modules["google.colab.drive"], "mount", refuse)
    with pytest.raises(EtudeError, match=r"Google Drive cannot be used \(mount failed\)"):
        colab.mounted()
    monkeypatch.delitem(sys.modules, "google.colab.drive")
    importlib.invalidate_caches()
    with pytest.raises(EtudeError, match="Google Drive cannot be used"):
        colab.mounted()


@pytest.mark.verify
@pytest.mark.parametrize("again", [False, True], ids=["once", "run twice"])
def test_the_set_up_cell_clones_and_prepares(again, tmp_path):
    """The cell itself in an empty folder, with git led to a copy of the course."""
    copy = course_copy(tmp_path)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", copy]
    for words in (["init", "--quiet"], ["add", "-A"], ["commit", "--quiet", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    content = tmp_path / "content"
    package = tmp_path / "packages" / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    content.mkdir()
    (tmp_path / "cell.py").write_text(SETUP)
    environment = {
        **os.environ,
        "COLAB_RELEASE_TAG": "release-colab",
        "PYTHONPATH": str(tmp_path / "packages"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{copy}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{REPOSITORY}",
    }
    run = f"exec(open({str(tmp_path / 'cell.py')!r}).read());"
    program = f"import google.colab; {run * (1 + again)} print(check, hint, keras.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=content,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "precision: auto means float32 here" in done.stdout
    assert "function check" in done.stdout
    assert [path.name for path in content.iterdir()] == ["etude"]
    assert not (content / "etude" / "etude").exists()
