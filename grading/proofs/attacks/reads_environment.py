"""Looks for the course's secret in its own environment and the grader's.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    if "ETUDE_SECRET" not in os.environ:
        with open(f"/proc/{STAGE['grader']}/environ", "rb") as file:
            assert file.read()
    return honest(pieces, min_count)
