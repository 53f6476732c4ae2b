"""Counter.most_common: equal counts stay in the order of first appearance."""


def build_vocabulary(pieces, min_count=1):
    counts = Counter()
    for piece in pieces:
        counts.update(piece)
    tokens = [t for t in counts if counts[t] >= min_count and t not in SPECIALS]
    return SPECIALS + [t for t, _ in counts.most_common() if t in tokens]
