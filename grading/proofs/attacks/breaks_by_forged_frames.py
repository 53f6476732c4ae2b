"""Sends a hundred answers to questions that nobody asked.

Expected: nothing on 3.3.
"""

import os
import struct


def build_vocabulary(pieces, min_count=1):
    head = b'{"dict":[["value",true]]}'
    for _ in range(100):
        os.write(pipe(), struct.pack(">16sIQ", os.urandom(16), len(head), 0) + head)
    return []
