"""The benchmark for a GPU: its bundle runs in slices where no MIDI library is, on the CPU."""

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from argparse import Namespace

import numpy as np
import pytest

from benchmarks import gpu
from toolkit.data.datasets import dataset_folder
from toolkit.errors import EtudeError
from toolkit.training.runs import read_log

pytestmark = pytest.mark.xdist_group("lab4")

ABSENT = """
import sys
for name in ("tensorflow music21 symusic numba pandas pretty_midi soundfile jinja2 mido requests "
             "faker jupytext nbformat").split():
    sys.modules[name] = None
"""
TINY = (
    "epochs=3 length=32 context=8 eval_windows=8 d_model=16 num_heads=2 ff_dim=16 num_layers=1 "
    "max_distance=31 window=100 steps_per_epoch=3 batch_size=4 warmup=2 samples=2 max_events=20 "
    "primer_seconds=1"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of a few drum pieces, unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    gpu.bundle(folder / "drums.zip", ["drums"], max_pieces=16)
    with zipfile.ZipFile(folder / "drums.zip") as file:
        file.extractall(folder / "there")
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(ABSENT)
    return folder


def call(bundle, work, *options):
    """Give the command where no MIDI library and no TensorFlow can be imported."""
    command = [sys.executable, "-m", "benchmarks.gpu", "run", "--folder", str(bundle / work)]
    command += ["--data", "drums", "--set", TINY, *options]
    outer = {**os.environ, "PYTHONPATH": str(bundle / "hook")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=bundle / "there", env=outer)
    return done, (done.stdout.splitlines() or [""])[-1]


@pytest.mark.verify  # a minute: three processes train
def test_slices_end_as_one_call_does_and_the_weights_come_back(bundle):
    stages = ("--stages", "train,evaluate,write")
    # begin nothing after the first epoch
    done, last = call(bundle, "sliced", *stages, "--minutes", "5", "--reserve", "5")
    assert done.returncode == gpu.MORE, done.stderr
    assert last == "done: drums begun (1 of 3 epochs trained). left: drums train, evaluate, write"
    done, last = call(bundle, "sliced", *stages, "--out", str(bundle / "out"))
    assert done.returncode == 0, done.stderr
    assert last == "done: drums train, evaluate, write (3 of 3 epochs trained). left: nothing"
    done, last = call(bundle, "unbroken", "--stages", "measure,train")
    assert done.returncode == 0, done.stderr
    assert last == "done: drums measure, train (3 of 3 epochs trained). left: nothing"
    logs = [read_log(bundle / work / "drums/run/log.csv") for work in ("sliced", "unbroken")]
    assert logs[0] == logs[1]
    assert len(logs[0]["epoch"]) == 3

    results = json.loads((bundle / "out/results.json").read_text())["drums"]
    assert results["log"] == logs[0]
    assert results["scores"][0]["split"] == "validation"
    gpu.unpack(bundle / "out", bundle / "back")
    assert (bundle / "back/drums-continuation-1.mid").exists()
    measured = json.loads((bundle / "unbroken/out/results.json").read_text())["drums"]["measured"]
    assert measured["as it is"]["tokens_a_second"] > 0
    weights_come_back(bundle, results)


def weights_come_back(bundle, results):
    """The joined file loads into the lab's model, and holds the best weights in float16."""
    from labs.lab4_performances import solution
    from labs.lab4_performances.settings import Settings

    names = Settings.__dataclass_fields__
    settings = Settings(**{name: results["settings"][name] for name in names})
    model = solution.MusicTransformer(
        solution.VOCAB_SIZE,
        settings.d_model,
        settings.num_heads,
        settings.ff_dim,
        settings.num_layers,
        settings.max_distance,
        settings.window,
    )
    model.build((None, settings.length))
    model.load_weights(bundle / "sliced/drums/run/best.weights.h5")
    best = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in best])
    model.load_weights(bundle / "back/drums.weights.h5")
    for weight, expected in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(weight, expected.astype(np.float16))


def test_other_settings_are_refused(bundle):
    options = ["--folder", str(bundle / "mixed"), "--data", "drums", "--set"]
    command = [sys.executable, "-m", "benchmarks.gpu", "run", *options, "units=3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=bundle / "there")
    assert done.returncode == 2
    assert "this lab has no setting units" in done.stderr


def test_a_call_in_a_folder_that_another_works_in_is_refused(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EtudeError, match="another call is working"):
            gpu.run(Namespace(folder=tmp_path, minutes=1, reserve=0.5))


def test_ids_survive_packing():
    ids = np.random.default_rng(0).integers(0, 391, 1000).astype(np.uint16)
    np.testing.assert_array_equal(gpu.unpack_ids(gpu.pack_ids(ids)), ids)


@pytest.mark.verify
def test_the_whole_bundle_is_below_60_mib(tmp_path):
    for name in ("maestro", "groove"):
        try:
            dataset_folder(name)
        except EtudeError:
            pytest.skip(f"{name} is not here: make data NAME={name}")
    gpu.bundle(tmp_path / "all.zip", ["maestro", "groove"])
    assert (tmp_path / "all.zip").stat().st_size < 60 * gpu.MEBIBYTE
