"""Answers with a generator that never ends.

Expected: nothing on 3.3.
"""

import itertools


def build_vocabulary(pieces, min_count=1):
    return (token for token in itertools.count())
