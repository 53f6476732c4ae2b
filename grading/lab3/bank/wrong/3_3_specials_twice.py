"""A special's name inside a piece becomes a second token."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count]
    return SPECIALS + sorted(tokens, key=lambda t: (-counts[t], t))
