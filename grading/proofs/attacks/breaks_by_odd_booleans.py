"""Answers with truth values that are neither true nor false.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps({"dict": [["value", {"array": "bool", "shape": [4]}]]}).encode()
    payload = b"\x02\x03\x80\xff"
    forge(head, payload)
    return []
