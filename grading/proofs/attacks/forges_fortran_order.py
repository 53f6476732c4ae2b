"""Answers rightly, in an order of memory that nobody expects.

Expected: full marks.
"""

import numpy as np

honest = make_windows


def make_windows(pieces, length, stride):
    return tuple(np.asfortranarray(array) for array in honest(pieces, length, stride))
