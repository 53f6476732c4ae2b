"""Looks into the folders of the workers beside it.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    here = os.path.basename(os.getcwd())
    others = [name for name in os.listdir("..") if name.startswith("work-") and name != here]
    os.listdir(os.path.join("..", others[0]))
    return honest(pieces, min_count)
