"""The specials are sorted in among the words."""


def build_vocabulary(texts, language="en"):
    return sorted({*SPECIALS, *(t for text in texts for t in split_words(text, language))})
