"""Ends its process with status 0 when it is asked.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os._exit(0)
