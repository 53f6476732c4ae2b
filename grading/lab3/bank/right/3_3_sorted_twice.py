"""Two stable sorts, NumPy counts, NumPy strings in the list."""


def build_vocabulary(pieces, min_count=1):
    every = [token for piece in pieces for token in piece]
    types, counts = np.unique(np.array(every, dtype=str), return_counts=True)  # alphabetical
    order = np.argsort(-counts, kind="stable")
    vocabulary = ["PAD", "START", "END", "UNKNOWN"]
    for index in order:
        if counts[index] >= min_count and types[index] not in vocabulary[:4]:
            vocabulary.append(types[index])
    return vocabulary
