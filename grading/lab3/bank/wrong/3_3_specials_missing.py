"""The specials are forgotten: ids begin with the first token."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    return sorted(tokens, key=lambda t: (-counts[t], t))
