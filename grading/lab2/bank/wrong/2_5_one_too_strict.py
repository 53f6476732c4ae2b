"""A text that just fits is refused."""


def encode_words(texts, vocabulary, length, language="en"):
    ids = {token: index for index, token in enumerate(vocabulary)}
    inputs = np.full((len(texts), length), PAD, np.int32)
    targets = inputs.copy()
    for row, text in enumerate(texts):
        tokens = split_words(text, language)
        if unknown := [token for token in tokens if token not in ids]:
            raise ValueError(f"{unknown[0]!r} in {text!r} is not in the vocabulary")
        if len(tokens) >= length - 1:
            raise ValueError(f"{text!r} has {len(tokens)} tokens; {length - 1} are the most")
        encoded = [ids[token] for token in tokens]
        inputs[row, : len(tokens) + 1] = [START, *encoded]
        targets[row, : len(tokens) + 1] = [*encoded, END]
    return inputs, targets
