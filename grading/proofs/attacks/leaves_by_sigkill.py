"""Kills itself.

Expected: nothing on 3.3.
"""

import os
import signal


def build_vocabulary(pieces, min_count=1):
    os.kill(os.getpid(), signal.SIGKILL)
