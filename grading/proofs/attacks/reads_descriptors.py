"""Looks for files that its parents left open.

Expected: nothing on 3.3.
"""

import os
import stat

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    found = []
    for number in range(3, 64):
        try:
            found.append(os.fstat(number).st_mode)
        except OSError:
            continue
    assert len(found) > 1 or not stat.S_ISSOCK(found[0])
    return honest(pieces, min_count)
