"""Opens a hundred files that have no name, where nobody counts them.

Expected: nothing on 3.3.
"""

import tempfile

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    hoard = []
    for _ in range(100):
        hoard.append(tempfile.TemporaryFile())
        hoard[-1].write(b"x" * 100_000)
    return honest(pieces, min_count)
