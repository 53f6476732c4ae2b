"""Run a function of a test module on JAX, in a process of its own.

As a script: `python -m tests.on_jax MODULE FUNCTION GIVEN FOUND`, with two files of arrays.
"""

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from toolkit.console import quiet_tensorflow
from toolkit.paths import ROOT

# each program runs once: compiling takes the time
COMPILE_FAST = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def check_on_jax(
    function: Callable[..., Mapping[str, np.ndarray]],
    folder: Path,
    atol: float,
    **given: np.ndarray,
) -> None:
    """Check that a module's function of arrays gives the same arrays here and on JAX.

    The function is imported anew: the weights that it uses are given, or drawn from a seed.
    """
    pytest.importorskip("jax")
    module = Path(inspect.getfile(function)).relative_to(ROOT).with_suffix("")
    names = ".".join(module.parts), function.__name__
    files = folder / "given.npz", folder / "found.npz"
    np.savez(files[0], **given)
    subprocess.run(
        [sys.executable, "-m", "tests.on_jax", *names, *files],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": COMPILE_FAST,
        },
        check=True,
    )
    ours, theirs = function(**given), np.load(files[1])
    assert set(ours) == set(theirs.files)
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=0, atol=atol, err_msg=name)


if __name__ == "__main__":
    quiet_tensorflow()
    module, function, given, found = sys.argv[1:]
    results = getattr(importlib.import_module(module), function)(**np.load(given))
    np.savez(found, **results)
