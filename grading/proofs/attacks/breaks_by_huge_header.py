"""Announces 16 exabytes.

Expected: nothing on 3.3.
"""

import os
import struct


def build_vocabulary(pieces, min_count=1):
    os.write(pipe(), struct.pack(">16sIQ", bytes(16), 2**32 - 1, 2**64 - 1))
    return []
