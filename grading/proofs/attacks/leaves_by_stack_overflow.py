"""Calls itself through C until the stack is full.

Expected: nothing on 3.3.
"""

import ctypes
import sys


def build_vocabulary(pieces, min_count=1):
    sys.setrecursionlimit(10**9)
    callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: callback())
    return callback()
