"""Pretends that somebody pressed Ctrl-C.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise KeyboardInterrupt
