"""Ignores every signal that can be ignored, and never answers.

Expected: nothing on 3.3.
"""

import contextlib
import signal


def build_vocabulary(pieces, min_count=1):
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass
