"""Sends bytes that are no frame.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.write(pipe(), b"\xff" * 10_000)
    return []
