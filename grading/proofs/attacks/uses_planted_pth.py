"""Plants a file that every later Python executes.

Expected: nothing on 3.3.
"""

import os
import sys

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for folder in sys.path:
        if folder.endswith("-packages"):
            with open(os.path.join(folder, "etude-attack.pth"), "w") as file:
                file.write("# nothing")
            break
    return honest(pieces, min_count)
