"""Makes one file of 100 MB.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open("large", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 100 << 20)
    return honest(pieces, min_count)
