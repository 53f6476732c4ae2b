"""Prints 200 MB.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    for _ in range(200):
        print("x" * (1 << 20), flush=True)
    return []
