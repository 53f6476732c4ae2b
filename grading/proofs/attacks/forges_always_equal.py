"""Answers with a list that claims to equal everything.

Expected: nothing on 3.3.
"""


class Equal(list):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def build_vocabulary(pieces, min_count=1):
    return Equal(["PAD"])
