"""Asks for 32 GB.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    hoard = [bytearray(1 << 30) for _ in range(32)]
    assert hoard
    return honest(pieces, min_count)
