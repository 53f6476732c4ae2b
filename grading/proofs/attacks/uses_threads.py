"""Starts two thousand threads.

Expected: nothing on 3.3.
"""

import threading
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    threading.stack_size(1 << 15)
    for _ in range(2000):
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    time.sleep(0.5)
    return honest(pieces, min_count)
