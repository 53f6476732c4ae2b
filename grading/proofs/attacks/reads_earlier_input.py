"""Keeps each input and answers the question before.

Expected: nothing on 3.3.
"""

honest, earlier = build_vocabulary, [[]]


def build_vocabulary(pieces, min_count=1):
    earlier.append(pieces)
    return honest(earlier[-2])
