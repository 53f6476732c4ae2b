"""Capitals are written small."""


def build_vocabulary(names):
    characters = sorted({character for name in names for character in name.lower()})
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
