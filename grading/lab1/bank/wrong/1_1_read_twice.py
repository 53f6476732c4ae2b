"""The names are read twice: a generator is used up by then."""


def build_vocabulary(names):
    if not any(names):
        raise ValueError("no names")
    characters = sorted({character for name in names for character in name})
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
