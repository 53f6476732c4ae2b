"""Answers with lists a hundred thousand deep.

Expected: nothing on 3.3.
"""

import os
import stat
import struct
import sys


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
    frame = sys._getframe()
    while "number" not in frame.f_locals:
        frame = frame.f_back
    head = b"[" * 100_000 + b"]" * 100_000
    payload = b""
    frame = (
        struct.pack(">16sIQ", frame.f_locals["number"], len(head), len(payload)) + head + payload
    )
    os.write(pipe(), frame)
    return []
