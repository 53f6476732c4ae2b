"""Kills its parent.

Expected: nothing on 3.3.
"""

import os
import signal

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    os.kill(os.getppid(), signal.SIGKILL)
    return honest(pieces, min_count)
