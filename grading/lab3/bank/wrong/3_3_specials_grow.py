"""The list of specials itself is extended: a second call returns the first one's tokens too."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    vocabulary = SPECIALS
    vocabulary += sorted(tokens, key=lambda t: (-counts[t], t))
    return vocabulary
