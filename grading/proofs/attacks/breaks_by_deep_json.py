"""Answers with lists a hundred thousand deep.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    head = b"[" * 100_000 + b"]" * 100_000
    forge(head)
    return []
