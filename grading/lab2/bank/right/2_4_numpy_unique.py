"""NumPy sorts and thins out."""


def build_vocabulary(texts, language="en"):
    tokens = []
    for text in texts:
        tokens.extend(split_words(text, language))
    return [*SPECIALS, *np.unique(np.array(tokens, dtype=object)).tolist()]
