"""Sends one byte out of band, which wakes whoever waits but gives them nothing to read, and sleeps.

Expected: nothing on 3.3.
"""

import socket
import time


def build_vocabulary(pieces, min_count=1):
    kept = socket.socket(fileno=pipe())  # or it is closed
    kept.send(b"\0", socket.MSG_OOB)
    time.sleep(600)
    kept.detach()
