"""The tokens are sorted by name, not by count."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    return SPECIALS + sorted(tokens, key=lambda t: t)
