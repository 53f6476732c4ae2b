"""Counts the pieces in which a token occurs instead of its occurrences."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(set(piece))
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    return SPECIALS + sorted(tokens, key=lambda t: (-counts[t], t))
