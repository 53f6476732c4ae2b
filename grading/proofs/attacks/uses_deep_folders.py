"""Makes folders three thousand deep, which recursion cannot delete.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    for _ in range(3000):
        os.mkdir("deeper")
        os.chdir("deeper")
    return []
