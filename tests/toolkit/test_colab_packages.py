"""Colab's Python with Colab's packages, as Google lists them in colab.txt: set up, graded, run.

The environment is made once, in `.colab`, and again when the list changes. What Colab has besides,
its GPU, its Drive and its page, is not here.
"""

import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from filled_notebook import course_copy
from packaging.utils import canonicalize_name
from pythons import pythons

from labs.course.catalogue import all_labs
from toolkit.machine.packages import wanted
from toolkit.paths import ROOT

PYTHON = "3.13"
LIST = ROOT / "tests" / "colab.txt"
FOLDER = ROOT / ".colab"
# what a notebook's kernel takes beside what Etude asks for, what could get in TensorFlow's way, and
# what Etude asks for on this Python alone
BESIDE = ("pip", "setuptools", "ipykernel", "ipython", "nbclient", "nbconvert", "jax", "protobuf")
BESIDE += ("audioop-lts",)
LABS = pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: f"lab{lab.number}")
SET_UP = "from toolkit.colab import prepare; prepare()"
NOTEBOOK = """
import json, sys
from pathlib import Path

sys.path.insert(0, "tests")
from filled_notebook import checks_only, executed, filled, solution_answers, verdicts
from labs.course.catalogue import load_lab

lab = load_lab(sys.argv[1])
book = checks_only(filled(lab, solution_answers(lab)), [task.id for task in lab.tasks])
executed(book, lab, Path.cwd())
print(json.dumps({task: points for task, (points, _) in verdicts(book).items()}))
"""


def listed() -> dict[str, str]:
    """Colab's versions by name."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def run(*words: object, cwd: Path = ROOT, colab: bool = True) -> str:
    """Run Colab's Python; what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if colab:
        environment["COLAB_RELEASE_TAG"] = "release-colab-external"
    command = [str(FOLDER / "bin" / "python"), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def there() -> dict[str, str]:
    """Installed versions by name."""
    found = json.loads(run("-m", "pip", "list", "--format", "json", "--disable-pip-version-check"))
    return {canonicalize_name(one["name"]): one["version"] for one in found}


@pytest.fixture(scope="module")
def colabs() -> dict[str, str]:
    """Make the environment if it is not there; what of Colab's packages it holds.

    Those that Etude needs, directly or not: the others, torch among them, are never imported.
    """
    if PYTHON not in pythons():
        pytest.skip(f"no Python {PYTHON} here, which Colab has")
    known = listed()
    # what Colab has comes in its version, whatever Etude asks for; the rest for what it brings
    asked = {one.name: "" if canonicalize_name(one.name) in known else one for one in wanted()}
    words = [*(str(one) or name for name, one in asked.items()), *BESIDE]
    ready = FOLDER / "ready.json"
    state = sha256(LIST.read_bytes() + " ".join(words).encode()).hexdigest()
    if not ready.is_file() or json.loads(ready.read_text())["state"] != state:
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([str(pythons()[PYTHON]), "-m", "venv", str(FOLDER)], check=True)
        try:
            run("-m", "pip", "--quiet", "install", "--constraint", LIST, *words)
        except AssertionError as failure:
            reason = (str(failure).strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"Colab's packages cannot be had here: {reason[:200]}")
        run("-m", "pip", "--quiet", "uninstall", "--yes", *(set(there()) - set(known)))
        ready.write_text(json.dumps({"state": state, "packages": there()}))
    return json.loads(ready.read_text())["packages"]


def test_the_list_is_in_the_bounds_that_etude_names():
    """What is out of them, `prepare` replaces or warns of."""
    known = listed()
    out = [
        f"{one} but {known[canonicalize_name(one.name)]}"
        for one in wanted()
        if canonicalize_name(one.name) in known
        and not one.specifier.contains(known[canonicalize_name(one.name)])
    ]
    assert not out


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_what_is_missing_is_installed_and_nothing_of_colabs_moves(colabs, record_property):
    known = listed()
    assert {n: v for n, v in colabs.items() if known.get(n, v) != v} == {}
    assert {"tensorflow", "keras", "numpy", "jax", "protobuf", "numba", "h5py"} <= set(colabs)
    before = there()  # an earlier run may have added to it
    if added := set(before) - set(colabs):
        run("-m", "pip", "--quiet", "uninstall", "--yes", *added)
    if moved := [f"{name}=={v}" for name, v in colabs.items() if before.get(name) != v]:
        run("-m", "pip", "--quiet", "install", "--no-deps", *moved)
    assert there() == colabs
    told = run("-c", SET_UP)
    now = there()
    record_property("installed", {name: v for name, v in now.items() if name not in colabs})
    assert {name: (v, now.get(name)) for name, v in colabs.items() if now.get(name) != v} == {}
    assert "installed" in told
    assert "stays" not in told  # nothing that Etude was not tried with
    assert "installed" not in run("-c", SET_UP)


@pytest.mark.verify
@pytest.mark.timeout(3600)
@LABS
def test_a_lab_is_graded_and_its_notebook_runs(lab, colabs, tmp_path):
    run("-c", SET_UP)
    course = course_copy(tmp_path)
    words = ("-m", "pytest", "grading", "--lab", lab.number, "--code", "solution", "--accept-open")
    assert "100 of 100" in run(*words, "-p", "no:cacheprovider", cwd=course)
    points = json.loads(run("-c", NOTEBOOK, lab.number, cwd=course).splitlines()[-1])
    assert points == {task.id: task.points for task in lab.tasks}
