"""Answers with 3 GB of zeros.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros(1 << 30, np.uint8) for _ in range(3))
