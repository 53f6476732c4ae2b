"""The language is not passed on."""


def build_vocabulary(texts, language="en"):
    return SPECIALS + sorted({token for text in texts for token in split_words(text)})
