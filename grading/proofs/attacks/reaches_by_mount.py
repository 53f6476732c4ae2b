"""Mounts a file system over a folder.

Expected: nothing on 3.3.
"""

import ctypes

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    assert ctypes.CDLL(None).mount(b"none", STAGE["outside"].encode(), b"tmpfs", 0, None) == 0
    return honest(pieces, min_count)
