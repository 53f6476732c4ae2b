"""Sends to a socket in the file system from one end of a pair.

Expected: nothing on 3.3.
"""

import socket

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", STAGE["datagram"])
    return honest(pieces, min_count)
