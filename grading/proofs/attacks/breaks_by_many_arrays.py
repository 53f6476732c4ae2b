"""Returns thousands of arrays that a message would have to spell one by one.

Expected: nothing on 3.3.
"""

import numpy as np


def build_vocabulary(pieces, min_count=1):
    return {0: [np.full((10, 10, 10), 0.1)] * 3_000}
