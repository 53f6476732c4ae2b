"""Forks, twenty times and no more: what begins a bomb would end it.

Expected: nothing on 3.3.
"""

import os
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
    return honest(pieces, min_count)
