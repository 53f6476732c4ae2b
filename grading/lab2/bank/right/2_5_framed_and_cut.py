"""One framed array, of which inputs and targets are two views."""


def encode_words(texts, vocabulary, length, language="en"):
    vocabulary = list(vocabulary)
    framed = np.full((len(texts), length + 1), PAD, dtype="int32")
    for row, text in zip(framed, texts, strict=True):
        row[0] = START
        place = 1
        for token in split_words(text, language):
            if token not in vocabulary:
                raise ValueError(f"unknown token {token}")
            if place >= length:
                raise ValueError("too long")
            row[place] = vocabulary.index(token)
            place += 1
        row[place] = END
    inputs = framed[:, :-1].copy()
    inputs[inputs == END] = PAD
    return inputs, framed[:, 1:]
