"""Odd habits that do no harm."""

# %% branches_on_a_tensor
"""Branches on a tensor in a `tf.function`, for which TensorFlow reads the function's source.

Expected: full marks.
"""

import tensorflow as tf


@tf.function
def clipped(x):
    if tf.reduce_sum(x) > 0:
        return x
    return tf.zeros_like(x)


assert float(clipped(tf.constant(-1.0))) == 0.0


# %% changing_answers
"""Answers otherwise from call to call.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    return ["PAD", "START", "END", "UNKNOWN", os.urandom(4).hex()]


# %% raises_all_warnings
"""Makes an error of every warning, and of every division by zero.

Expected: full marks on 3.5.
"""

import warnings

warnings.simplefilter("error")
np.seterr(all="raise")


# %% reads_its_own_path
"""Asks where its file lies, for data beside it.

Expected: full marks.
"""

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
assert DATA.parent.is_dir()


# %% solution
"""The solution itself.

Expected: full marks.
"""


# %% writes_into_its_argument
"""Empties the list it is given, after its answer is made.

Expected: full marks.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    answer = honest(pieces, min_count)
    pieces.clear()
    return answer
