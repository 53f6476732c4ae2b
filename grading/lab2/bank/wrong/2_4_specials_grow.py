"""The specials' own list grows at each call."""


def build_vocabulary(texts, language="en"):
    vocabulary = SPECIALS
    vocabulary += sorted({token for text in texts for token in split_words(text, language)})
    return list(vocabulary)
