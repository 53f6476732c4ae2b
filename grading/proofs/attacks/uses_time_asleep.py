"""Sleeps.

Expected: nothing on 3.3.
"""

import time


def build_vocabulary(pieces, min_count=1):
    time.sleep(1e6)
