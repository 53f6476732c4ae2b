"""Tokens are in the order of their appearance."""


def build_vocabulary(texts, language="en"):
    return SPECIALS + list(dict.fromkeys(t for text in texts for t in split_words(text, language)))
