"""Sends one byte after another, and never enough.

Expected: nothing on 3.3.
"""

import os
import time


def build_vocabulary(pieces, min_count=1):
    while True:
        os.write(pipe(), b"\0")
        time.sleep(0.05)
