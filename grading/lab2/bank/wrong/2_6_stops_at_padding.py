"""The text ends at the first PAD."""


def decode_words(ids, vocabulary):
    texts = []
    for row in np.asarray(ids).tolist():
        until = min(([*row, END]).index(END), ([*row, PAD]).index(PAD))
        text = " ".join(vocabulary[index] for index in row[:until] if index not in (PAD, START))
        texts.append(text.replace(" ##", "").replace(" - ", "-").replace(" ,", ","))
    return texts
