"""Raises hidden inputs as an exception's message.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise ValueError(repr(pieces))
