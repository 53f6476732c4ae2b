"""Reads a file with answers that only its owner may read.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open(STAGE["answers"]) as file:
        assert "def " in file.read()
    return honest(pieces, min_count)
