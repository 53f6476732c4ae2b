"""Answers with an array that has no elements and 2^78 rows.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps({"dict": [["value", {"array": "int8", "shape": [0, 2**39, 2**39]}]]}).encode()
    forge(head)
    return []
