"""Computes a number of 845 million digits, which no signal interrupts.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    return 7**10**9
