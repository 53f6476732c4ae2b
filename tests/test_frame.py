"""The frame: requirements, locks, environment and Makefile agree; every Python can import it."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from pythons import PYTHONS, pythons

from benchmarks import reads, verify
from grading.core import imports as grading_imports
from toolkit.console import hushed
from toolkit.paths import ROOT

PACKAGES = ("toolkit", "labs", "grading", "benchmarks")
TARGETS = (
    *("setup", "lab3", "grade", "watch", "data", "doctor", "build", "reset", "submit"),
    *("site", "test", "verify", "lock", "help"),
)
LOCKS = ("requirements", "requirements-dev", "requirements-gpu")


def requirements(name: str) -> list[Requirement]:
    """Direct requirements of a requirements file, those of the files it includes too."""
    found: list[Requirement] = []
    for line in (ROOT / name).read_text().splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("-r "):
            found += requirements(text.removeprefix("-r ").strip())
        elif text:
            found.append(Requirement(text))
    return found


@cache
def pins(name: str) -> tuple[tuple[Requirement, int], ...]:
    """A lock's pins, each with how many hashes it has."""
    text = (ROOT / f"{name}.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    return tuple(
        (Requirement(line.split("--hash")[0]), line.count("--hash=sha256:")) for line in lines
    )


def environment(python: str) -> dict[str, str]:
    """Describe a machine with this Python, for markers."""
    full = {"python_version": python, "python_full_version": f"{python}.1"}
    machine = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    return {**default_environment(), **full, **machine}


def pinned(lock: str, python: str) -> dict[str, list[str]]:
    """Versions that a lock installs on a Python, by canonical name."""
    result: dict[str, list[str]] = {}
    for pin, _ in pins(lock):
        if pin.marker is None or pin.marker.evaluate(environment(python)):
            (version,) = pin.specifier
            assert version.operator == "==", f"{pin} is not pinned"
            result.setdefault(canonical(pin.name), []).append(version.version)
    return result


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_met_by_one_pin(lock, python):
    versions = pinned(lock, python)
    assert all(len(found) == 1 for found in versions.values()), "two versions of one package"
    for wanted in requirements(f"{lock}.txt"):
        if wanted.marker and not wanted.marker.evaluate(environment(python)):
            assert canonical(wanted.name) not in versions
            continue
        found = versions.get(canonical(wanted.name))
        assert found, f"{wanted.name} is not in {lock}.lock for Python {python}"
        assert wanted.specifier.contains(found[0], prereleases=True), f"{wanted}: {found[0]}"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_three_locks_agree(python):
    base = pinned("requirements", python)
    for other in LOCKS[1:]:
        versions = pinned(other, python)
        assert {name: versions.get(name) for name in base} == base


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_address(lock):
    assert all(hashes for _, hashes in pins(lock))
    text = (ROOT / f"{lock}.lock").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|^-f ", text, re.MULTILINE)


def test_the_conda_environment_agrees():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [entry for entry in dependencies if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert "python=3.11" in plain
    assert "fluidsynth" in plain
    assert "pip" in plain
    assert pip == ["-r requirements.txt"]


def test_every_import_is_of_a_direct_requirement():
    """Nothing leans on a package that only another package brings."""
    spelt = {"Faker": "faker", "Jinja2": "jinja2", "pillow": "PIL", "pyyaml": "yaml"}
    direct = {spelt.get(wanted.name, wanted.name) for wanted in requirements("requirements.txt")}
    allowed = {name.replace("-", "_") for name in direct} | {*sys.stdlib_module_names, *PACKAGES}
    # pytest inside; only in a notebook; only with the backend that was chosen; only on a cluster
    allowed |= {"_pytest", "IPython", "jax", "distributed"}
    allowed |= {"torch", "transformers"}  # of benchmarks beside peers, in environments of their own
    for path, line, name in imports():
        assert name.split(".")[0] in allowed, f"{path}:{line} imports {name}"


def imports() -> Iterator[tuple[Path, int, str]]:
    """Every import in the packages: file, line, module."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    for path in paths:
        if path.name == "tasks.py" or "bank" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield path, node.lineno, node.module


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in TARGETS:
        assert re.search(rf"^  make {target}\b", listed, re.MULTILINE), target
        assert re.search(rf"^{target}:|^lab1.*{target}", makefile, re.MULTILINE), target


IMPORT_ALL = """
import importlib, os, pathlib, pkgutil, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import audioop, keras, music21, note_seq, symusic, numba, soundfile, requests, jupytext, nbformat
import num2words, faker, jinja2, rich, matplotlib, pretty_midi, pytest
for package in ("toolkit", "labs"):
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        if path.name not in ("tasks.py", "__main__.py", "__init__.py"):
            importlib.import_module(".".join(path.with_suffix("").parts))
print("imported", sys.version_info[:2])
"""


@pytest.mark.verify
@pytest.mark.parametrize("version", PYTHONS)
def test_everything_imports_on_this_python(version, tmp_path):
    """The lock installs, every module imports, and a part of the suite passes."""
    if version not in pythons():
        pytest.skip(f"no Python {version} here: untested")
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([str(pythons()[version]), "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", str(python)]
    lock = str(ROOT / "requirements.lock")
    subprocess.run([*install, "--require-hashes", "-r", lock], check=True, timeout=1800)
    done = subprocess.run([str(python), "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    suite = ["tests/labs/test_source.py", "tests/labs/test_code.py", "tests/labs/test_build.py"]
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *suite]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]


# make verify


PROOFS = """
import os, pathlib, pytest
from helper import ran

@pytest.mark.verify
def test_holds():
    ran("holds")

@pytest.mark.verify(reads=["data"])
def test_reads_data():
    ran("reads_data")

@pytest.mark.verify
def test_dies():
    if pathlib.Path("fatal").exists(): os._exit(7)
    pytest.skip(f"no {os.getcwd()}/GPU")

@pytest.mark.verify
def test_after_a_death(record_property):
    record_property("figure", 3)
    ran("after")

def test_ordinary():
    pass
"""
HELPER = """
def ran(name):
    with open("runs.txt", "a") as file:
        file.write(name + " ")
"""


@pytest.fixture
def small_tree(tmp_path, monkeypatch):
    """A checkout with four proofs that note when they run."""
    conftest = (ROOT / "tests" / "conftest.py").read_text()
    files = {"tests/conftest.py": conftest, "tests/test_small.py": PROOFS}
    files |= {"tests/helper.py": HELPER, "data/a.txt": "a", "README.md": "", ".gitignore": "runs.*"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for module in (verify, reads, grading_imports):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(verify, "RESULTS", tmp_path / reads.RESULTS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(sys, "argv", ["verify"])
    yield tmp_path
    forget()


def forget():
    """Have the tree read anew, as another process would."""
    for function in vars(reads).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@pytest.fixture
def runs(small_tree):
    """Run `make verify`; its status, and which proofs ran."""

    def run_verify():
        forget()
        (small_tree / "runs.txt").write_text("")
        status = verify.main()
        return status, (small_tree / "runs.txt").read_text().split()

    return run_verify


def test_a_proof_is_run_again_when_what_it_reads_has_changed_and_only_then(small_tree, runs):
    (small_tree / "fatal").touch()
    status, ran = runs()
    assert (status, sorted(ran)) == (1, ["after", "holds", "reads_data"])
    (small_tree / "fatal").unlink()
    assert runs() == (0, [])
    results = json.loads(verify.RESULTS.read_text())["proofs"]
    found = {name.partition("::test_")[2]: result for name, result in results.items()}
    outcomes = {name: result["outcome"] for name, result in found.items()}
    passed = dict.fromkeys(("holds", "reads_data", "after_a_death"), "passed")
    assert outcomes == {**passed, "dies": "skipped"}
    assert found["dies"]["reason"] == "no GPU"
    assert found["after_a_death"]["figures"] == {"figure": 3}
    (small_tree / "README.md").write_text("a comma")
    assert runs() == (0, [])
    (small_tree / "data" / "a.txt").write_text("b")
    assert runs() == (0, ["reads_data"])
    (small_tree / "tests" / "helper.py").write_text(HELPER + "# changed\n")
    status, ran = runs()
    assert sorted(ran) == ["after", "holds", "reads_data"]


def test_a_proof_s_reason_names_no_folder_of_this_machine():
    told = {
        f"{ROOT}/tests/test_frame.py:3: AssertionError": "tests/test_frame.py:3: AssertionError",
        "FileNotFoundError: '/home/ada/a.mid'": "FileNotFoundError: 'a.mid'",
        "1/2 and/or https://example.org/a/b": "1/2 and/or https://example.org/a/b",
    }
    assert {text: verify.without_places(text) for text in told} == told


def test_what_a_proof_reads_is_what_it_imports_names_and_is_about():
    def read(file, *labs):
        return set(reads.files_read(file, labs, None))

    bank = read("tests/proofs/test_bank.py", 3)
    assert {"grading/core/passes.py", "grading/sandbox/worker/__main__.py"} <= bank
    assert {"grading/lab3/bank/3_4.toml", "labs/lab3_notes/solution.py"} <= bank
    assert "requirements.lock" in bank
    assert not {"README.md", "labs/lab1_names/solution.py", "grading/doors/watch.py"} & bank
    notebooks = read("tests/labs/test_notebook.py", 3)  # runs kernels, and they the whole course
    assert {"labs/lab1_names/solution.py", "grading/doors/watch.py", "Makefile"} <= notebooks
    assert not any(
        name.startswith(("labs", "grading")) for name in read("tests/toolkit/test_midi.py")
    )


# Quiet


def test_what_c_code_writes_while_importing_is_held_back_unless_it_fails(capfd):
    with hushed():
        os.write(2, b"noise")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
    with pytest.raises(ZeroDivisionError), hushed():
        _ = os.write(2, b"what was going on") / 0
    assert capfd.readouterr().err == "what was going on"
