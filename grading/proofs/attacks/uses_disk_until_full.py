"""Makes files of 60 MB until there are 20.

Expected: nothing on 3.3.
"""

import os
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for number in range(20):
        with open(f"file-{number}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 60 << 20)
        time.sleep(0.05)
    time.sleep(0.5)
    return honest(pieces, min_count)
