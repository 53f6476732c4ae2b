"""What follows END is read too."""


def decode_words(ids, vocabulary):
    texts = []
    for row in np.asarray(ids).tolist():
        until = len(row)
        text = " ".join(
            vocabulary[index] for index in row[:until] if index not in (PAD, START, END)
        )
        texts.append(text.replace(" ##", "").replace(" - ", "-").replace(" ,", ","))
    return texts
