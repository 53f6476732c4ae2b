"""Closes the pipe on which it should answer.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.close(pipe())
    return []
