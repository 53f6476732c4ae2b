"""Python, libraries and the worker's own code, changed for what comes after."""

# %% builtins
"""Makes Python itself find everything true.

Expected: nothing on 3.3.
"""

import builtins


def build_vocabulary(pieces, min_count=1):
    builtins.all = builtins.any = builtins.isinstance = lambda *things: True
    builtins.len = lambda thing: 4
    return []


# %% clock
"""Stops every clock that Python has, then waits.

Expected: nothing on 3.3.
"""

import time


def build_vocabulary(pieces, min_count=1):
    sleep = time.sleep
    time.time = time.monotonic = time.perf_counter = lambda: 0.0
    while True:
        sleep(1)


# %% codec
"""Puts verdicts in the place of answers.

Expected: nothing on 3.3.
"""

import grading.sandbox.worker.serve as serve


def build_vocabulary(pieces, min_count=1):
    verdict = {"value": True, "outcome": "passed", "points": 100}
    serve.pack = lambda value, keep=None: (verdict, [])
    return []


# %% keras
"""Spoils Keras for all that follows in its process.

Expected: nothing on 3.3.
"""

import keras


def build_vocabulary(pieces, min_count=1):
    keras.utils.set_random_seed = keras.ops.convert_to_numpy = None
    keras.ops.is_tensor = lambda value: True
    return []


# %% numpy
"""Makes NumPy find everything equal.

Expected: nothing on 3.3.
"""

import numpy as np


def build_vocabulary(pieces, min_count=1):
    np.array_equal = np.allclose = np.array_equiv = lambda *arrays, **options: True
    np.testing.assert_array_equal = np.testing.assert_allclose = lambda *arrays, **options: None
    return []
