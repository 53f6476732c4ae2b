"""Claims an error that names no class but an array.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps(
        {"dict": [["error", {"dict": [["type", "E"], ["message", ""], ["line", None]]}]]}
    ).encode()
    forge(head)
    return []
