"""Rows are framed as lists, padded as lists and shifted by slicing the array."""


def encode_names(names, vocabulary):
    if len(names) == 0:
        raise ValueError("no names")
    rows = []
    for name in names:
        row = [START]
        for character in name:
            try:
                row.append(vocabulary.index(character))
            except ValueError:
                raise ValueError(f"{name} has {character}, which is unknown") from None
        rows.append([*row, END])
    longest = max(len(row) for row in rows)
    framed = np.array([row + [PAD] * (longest - len(row)) for row in rows], "int32")
    targets = framed[:, 1:]
    mask = targets != PAD
    inputs = np.where(mask, framed[:, :-1], PAD).astype("int32")
    return [inputs, targets, mask]
