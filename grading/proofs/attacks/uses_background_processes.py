"""Leaves a program behind, in a session of its own and without a parent.

Expected: nothing on 3.3.
"""

import os
import subprocess
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    try:
        subprocess.Popen(["sleep", "30"], start_new_session=True)
    except OSError:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(30)
            os._exit(0)
    return honest(pieces, min_count)
