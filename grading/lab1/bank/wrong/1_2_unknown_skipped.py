"""Unknown characters are left out silently."""


def encode_names(names, vocabulary):
    if not len(names):
        raise ValueError("the list of names is empty: there is nothing to encode")
    numbers = {character: number for number, character in enumerate(vocabulary)}
    length = max(map(len, names)) + 1
    inputs = np.full((len(names), length), PAD, np.int32)
    targets = inputs.copy()
    for row, name in enumerate(names):
        ids = [numbers[character] for character in name if character in numbers]
        inputs[row, : len(ids) + 1] = [START, *ids]
        targets[row, : len(ids) + 1] = [*ids, END]
    return inputs, targets, targets != PAD
