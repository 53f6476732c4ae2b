"""Connects to a socket in the file system, as that of Docker or D-Bus.

Expected: nothing on 3.3.
"""

import socket

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    socket.socket(socket.AF_UNIX).connect(STAGE["unix"])
    return honest(pieces, min_count)
