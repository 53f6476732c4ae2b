"""A dictionary from token to id comes back instead of the list."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    vocabulary = SPECIALS + sorted(tokens, key=lambda t: (-counts[t], t))
    return {token: number for number, token in enumerate(vocabulary)}
