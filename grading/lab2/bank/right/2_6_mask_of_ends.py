"""A cumulative sum finds what is before END."""


def decode_words(ids, vocabulary):
    ids = np.array(ids)
    before_end = np.cumsum(ids == END, axis=1) == 0
    said = before_end & (ids != PAD) & (ids != START)
    repairs = [(" ##", ""), (" - ", "-"), (" ,", ",")]
    texts = []
    for row, keep in zip(ids, said, strict=True):
        text = " ".join([vocabulary[int(index)] for index in row[keep]])
        for old, new in repairs:
            text = text.replace(old, new)
        texts.append(text)
    return texts
