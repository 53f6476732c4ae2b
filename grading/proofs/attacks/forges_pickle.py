"""Answers with an object that runs a command where it is unpickled.

Expected: nothing on 3.3.
"""

import os


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {STAGE['outside']}/unpickled",)


def build_vocabulary(pieces, min_count=1):
    return Bomb()
