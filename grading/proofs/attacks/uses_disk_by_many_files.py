"""Makes five thousand files.

Expected: nothing on 3.3.
"""

import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for number in range(5000):
        with open(f"file-{number}", "w") as file:
            file.write("x")
    time.sleep(0.5)
    return honest(pieces, min_count)
