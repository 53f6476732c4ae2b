"""Answers with floats of 16 bits, among which few numbers differ.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros((len(pieces), length), np.float16) for _ in range(3))
