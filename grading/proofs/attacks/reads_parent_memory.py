"""Reads the memory of the grader, and of its own parent.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for pid in (STAGE["grader"], os.getppid()):
        with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps") as places:
            memory.seek(int(places.readline().split("-")[0], 16))
            assert memory.read(1)
    return honest(pieces, min_count)
