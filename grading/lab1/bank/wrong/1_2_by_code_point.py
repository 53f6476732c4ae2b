"""Ids are code points less 32, not positions in the vocabulary."""


def encode_names(names, vocabulary):
    if not len(names):
        raise ValueError("the list of names is empty: there is nothing to encode")
    numbers = {character: ord(character) - 29 for character in vocabulary[3:]}
    length = max(map(len, names)) + 1
    inputs = np.full((len(names), length), PAD, np.int32)
    targets = inputs.copy()
    for row, name in enumerate(names):
        for character in name:
            if character not in numbers:
                raise ValueError(f"{character!r} of {name!r} is not in the vocabulary")
        ids = [numbers[character] for character in name]
        inputs[row, : len(ids) + 1] = [START, *ids]
        targets[row, : len(ids) + 1] = [*ids, END]
    return inputs, targets, targets != PAD
