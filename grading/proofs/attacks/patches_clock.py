"""Stops every clock that Python has, then waits.

Expected: nothing on 3.3.
"""

import time


def build_vocabulary(pieces, min_count=1):
    sleep = time.sleep
    time.time = time.monotonic = time.perf_counter = lambda: 0.0
    while True:
        sleep(1)
