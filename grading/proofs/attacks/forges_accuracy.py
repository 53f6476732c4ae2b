"""Claims that every guess is right.

Expected: nothing on 3.7.
"""

import numpy as np


def masked_accuracy(targets, logits):
    return np.float32(1)
