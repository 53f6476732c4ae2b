"""Connects to a port of this machine.

Expected: nothing on 3.3.
"""

import socket

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    socket.create_connection(("127.0.0.1", STAGE["tcp"]), timeout=2).close()
    return honest(pieces, min_count)
