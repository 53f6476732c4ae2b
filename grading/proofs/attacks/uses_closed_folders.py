"""Makes folders that nobody may look into.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.makedirs("closed/inner")
    open("closed/inner/file", "w").close()
    os.chmod("closed/inner", 0)
    os.chmod("closed", 0)
    return []
