"""Reads address 0.

Expected: nothing on 3.3.
"""

import ctypes


def build_vocabulary(pieces, min_count=1):
    ctypes.string_at(0)
