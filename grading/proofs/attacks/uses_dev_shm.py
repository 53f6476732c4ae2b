"""Keeps a file in memory that outlives it.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open("/dev/shm/etude-attack", "wb") as file:
        file.write(b"x" * 1000)
    return honest(pieces, min_count)
