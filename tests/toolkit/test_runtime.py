"""Seeds, precision, devices and compilation, decided in one place."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_run

from toolkit.errors import EtudeError
from toolkit.training import runtime
from toolkit.training.runtime import (
    Runtime,
    check_shards,
    choose_jit,
    compiled,
    configure,
    parity_stamp,
)

ON_CPU = Runtime("tensorflow", "CPU, 2 cores", "float32", ("/device:CPU:0",), 0)


@pytest.fixture
def keras():
    """Keras, with the precision put back afterwards."""
    import keras

    yield keras
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"precision": "float8"}, "PRECISION is 'float8'"),
        ({"devices": "two"}, "DEVICES is 'two'"),
        ({"seed": -1}, "SEED is -1"),
        ({"seed": 1.5}, "SEED is 1.5"),
    ],
)
def test_an_unknown_value_is_named_in_one_sentence(option, named):
    with pytest.raises(EtudeError, match=named):
        configure(**{"seed": 0, **option})


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "precision"),
    [
        ("CPU, 2 cores", False, "float32"),
        ("Tesla T4", False, "float16"),
        ("NVIDIA L4", True, "bfloat16"),
    ],
)
def test_auto_precision_is_what_the_device_is_good_at(
    keras, monkeypatch, device, has_bfloat16, precision
):
    backend = keras.backend.backend()
    monkeypatch.setitem(runtime._BACKENDS, backend, lambda: (device, has_bfloat16, ["one"]))
    found = configure(seed=0)
    assert found.precision == precision
    policy = keras.config.dtype_policy()
    assert policy.compute_dtype == precision
    assert policy.variable_dtype == "float32"


def test_float16_scales_the_loss(keras):
    configure(seed=0, precision="float16")
    model = tiny_run.build()
    model.compile("adam", "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_the_same_seed_makes_the_same_weights(keras):
    def first_weights(seed):
        configure(seed=seed)
        return np.asarray(tiny_run.build().get_weights()[0])

    np.testing.assert_array_equal(first_weights(1), first_weights(1))
    assert not np.array_equal(first_weights(1), first_weights(2))


def test_the_faster_way_to_compile_is_chosen_and_remembered(tmp_path):
    cache = tmp_path / "deep" / "jit.json"
    asked = []

    def seconds_per_step(jit, slower=True):
        asked.append(jit)
        return 2.0 if jit is slower else 1.0

    assert choose_jit(ON_CPU, seconds_per_step, 200, "lstm", cache) is False
    assert asked == [False, True]
    assert choose_jit(ON_CPU, seconds_per_step, 200, "lstm", cache) is False
    assert asked == [False, True]
    assert choose_jit(ON_CPU, lambda jit: seconds_per_step(jit, False), 200, "other", cache) is True
    assert choose_jit(ON_CPU, None, 50, "other", cache) is False  # too short a run for it
    cache.write_text("torn")
    assert choose_jit(ON_CPU, seconds_per_step, 200, "lstm", cache) is False


def test_xla_is_not_tried_for_training_that_is_over_at_once(tmp_path):
    asked = []
    choose_jit(ON_CPU, lambda jit: asked.append(jit) or 0.01, 100, "lstm", tmp_path / "jit.json")
    assert asked == [False]
    assert not (tmp_path / "jit.json").exists()


def test_jax_is_always_compiled_and_several_tensorflow_devices_never():
    assert choose_jit(replace(ON_CPU, backend="jax"), None, 100, "") is True
    assert choose_jit(replace(ON_CPU, devices=("a", "b")), None, 100, "") is False


def test_the_parity_stamp_names_all_that_must_agree():
    stamp = parity_stamp("0123456789abcdef", ON_CPU)
    assert list(stamp) == ["Etude", "Python", "Keras", "backend", "device", "checks"]
    assert stamp["backend"].startswith("tensorflow 2.")
    assert stamp["device"] == "CPU, 2 cores (float32)"
    assert stamp["checks"] == "0123456789ab"
    assert list(parity_stamp("")) == list(stamp)


def test_the_stamp_of_a_command_that_trains_nothing_does_not_load_keras():
    code = "import sys; from toolkit.training.runtime import parity_stamp; "
    code += "parity_stamp('x'); print('keras' in sys.modules)"
    command = [sys.executable, "-c", code]
    where = Path(tiny_run.__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=where, check=True)
    assert done.stdout.strip() == "False"


def test_code_that_is_edited_while_a_run_trains_is_compiled_as_it_was(keras, tmp_path, monkeypatch):
    file = tmp_path / "edited.py"
    file.write_text("def double(x):\n    return twice(x)\n\ndef twice(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("edited")
    file.write_text("# a longer text\n\n\n\ndef other(a, b, c):\n    return a\n")
    assert compiled(module.double)(np.float32(3)) == 6


def test_a_device_that_saw_no_data_is_noticed():
    two = replace(ON_CPU, devices=("a", "b"))
    part = SimpleNamespace

    def check(copies, shares):
        value = part(value=part(values=[part(device=name) for name in copies]))
        counted = part(value=part(values=shares))
        check_shards(two, part(trainable_variables=[value]), counted)

    check("ab", [3.0, 4.0])
    for copies, shares in (("ab", [7.0, 0.0]), ("a", [7.0]), ("", [])):
        with pytest.raises(RuntimeError, match="DEVICES=all"):
            check(copies, shares)


@pytest.mark.parametrize(
    "teach", ["train", pytest.param("train_performer", marks=pytest.mark.verify)]
)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_share_the_batches_and_learn_as_one_does(backend, teach, tmp_path):
    """Each device computes its mean over other tokens than its fellow: the sum must be exact."""
    if backend == "jax":
        pytest.importorskip("jax")
    settings = {
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, tiny_run.__file__, "devices", teach, tmp_path],
        capture_output=True, text=True, env={**os.environ, **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    runs = json.loads(done.stdout.splitlines()[-1])
    assert (runs["one"]["devices"], runs["two"]["devices"]) == (1, 2)
    for column, values in runs["one"]["log"].items():
        # float32 sums in another order
        np.testing.assert_allclose(runs["two"]["log"][column], values, rtol=1e-4, err_msg=column)
