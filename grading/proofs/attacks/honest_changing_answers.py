"""Answers otherwise from call to call.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    return ["PAD", "START", "END", "UNKNOWN", os.urandom(4).hex()]
