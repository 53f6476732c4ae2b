"""min_count is not used."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if t not in SPECIALS]
    return SPECIALS + sorted(tokens, key=lambda t: (-counts[t], t))
