"""The names are listed, not their characters."""


def build_vocabulary(names):
    characters = sorted(set(names))
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
