"""Closes the pipe on which it should answer.

Expected: nothing on 3.3.
"""

import os
import stat


def pipe():
    """The descriptor on which its process talks with the grader."""
    for number in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise LookupError


def build_vocabulary(pieces, min_count=1):
    os.close(pipe())
    return []
