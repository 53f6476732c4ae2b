"""Raises an exception whose message never ends.

Expected: nothing on 3.3.
"""


class Endless(Exception):
    def __str__(self):
        while True:
            pass


def build_vocabulary(pieces, min_count=1):
    raise Endless
