"""Sends one byte after another, and never enough.

Expected: nothing on 3.3.
"""

import os
import stat
import time


def pipe():
    """The descriptor on which its process talks with the grader."""
    for number in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise LookupError


def build_vocabulary(pieces, min_count=1):
    while True:
        os.write(pipe(), b"\0")
        time.sleep(0.05)
