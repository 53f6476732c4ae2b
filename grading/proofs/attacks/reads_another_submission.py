"""Executes what another student handed in.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    names = {}
    with open(STAGE["sibling"]) as file:
        exec(file.read(), names)
    return names["build_vocabulary"](pieces, min_count)
