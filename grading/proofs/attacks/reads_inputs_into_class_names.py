"""Raises an exception whose class is named after hidden inputs.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise type(f"Input{pieces}", (Exception,), {})
