"""Becomes root in a namespace of its own, where it could mount.

Expected: nothing on 3.3.
"""

import ctypes

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    user_and_mounts = 0x10020000
    assert ctypes.CDLL(None).unshare(user_and_mounts) == 0
    return honest(pieces, min_count)
