"""Answers with complex numbers.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros((len(pieces), length), complex) for _ in range(3))
