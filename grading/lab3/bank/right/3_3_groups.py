"""Groups of equal tokens, no Counter, a list subclass."""

from itertools import groupby


class Vocabulary(list):
    pass


def build_vocabulary(pieces, min_count=1):
    every = sorted(token for piece in pieces for token in piece)
    groups = [(-len(list(same)), token) for token, same in groupby(every)]
    result = Vocabulary(SPECIALS)
    for count, token in sorted(groups):
        if -count >= min_count and token not in SPECIALS:
            result.append(token)
    return result
