"""Opens a file with answers to everybody, and changes its age.

Expected: nothing on 3.3.
"""

import contextlib
import os


def build_vocabulary(pieces, min_count=1):
    for change in (lambda path: os.chmod(path, 0o666), os.utime):
        with contextlib.suppress(OSError):
            change(STAGE["answers"])
    return []
