"""Exits as a program does when it is asked.

Expected: nothing on 3.3.
"""

import sys


def build_vocabulary(pieces, min_count=1):
    sys.exit(0)
