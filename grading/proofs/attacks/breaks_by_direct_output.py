"""Sets the file to which it prints to unbuffered access, in which few reads succeed.

Expected: nothing on 3.3.
"""

import fcntl
import os

print("a line that a message quotes", flush=True)


def build_vocabulary(pieces, min_count=1):
    print("a line that a message quotes", flush=True)
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
    return []
