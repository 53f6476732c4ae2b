"""Prints hidden inputs, and more than a report would show.

Expected: nothing on 3.3.
"""

import sys


def build_vocabulary(pieces, min_count=1):
    print("inputs", pieces, file=sys.stderr, flush=True)
    return []
