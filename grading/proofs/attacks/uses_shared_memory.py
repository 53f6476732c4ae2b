"""Keeps a segment of System V's shared memory, which outlives it.

Expected: nothing on 3.3.
"""

import ctypes

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    create = 0o1666
    assert ctypes.CDLL(None).shmget(STAGE["key"], 4096, create) >= 0
    return honest(pieces, min_count)
