"""Sends a datagram to a port of this machine.

Expected: nothing on 3.3.
"""

import socket

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", STAGE["udp"]))
    return honest(pieces, min_count)
