"""Looks for a thread of its process that the lock does not bind.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    outside = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/status") as file:
            outside.append("Seccomp:\t0" in file.read())
    assert any(outside)
    return honest(pieces, min_count)
