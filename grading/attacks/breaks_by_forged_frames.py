"""Sends a hundred answers to questions that nobody asked.

Expected: nothing on 3.3.
"""

import os
import stat
import struct


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
    head = b'{"dict":[["value",true]]}'
    for _ in range(100):
        os.write(pipe(), struct.pack(">16sIQ", os.urandom(16), len(head), 0) + head)
    return []
