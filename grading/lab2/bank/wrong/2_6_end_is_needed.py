"""A row without END loses its last token."""


def decode_words(ids, vocabulary):
    texts = []
    for row in np.asarray(ids).tolist():
        until = row.index(END) if END in row else len(row) - 1
        text = " ".join(vocabulary[index] for index in row[:until] if index not in (PAD, START))
        texts.append(text.replace(" ##", "").replace(" - ", "-").replace(" ,", ","))
    return texts
