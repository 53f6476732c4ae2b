"""Texts are split at blanks, not by split_words."""


def build_vocabulary(texts, language="en"):
    return SPECIALS + sorted({token for text in texts for token in text.split()})
