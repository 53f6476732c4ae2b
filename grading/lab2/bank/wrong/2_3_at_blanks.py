"""Hyphens and commas stay with the words."""


def split_words(text, language="en"):
    return text.split()
