"""Characters stand in the order in which they appear."""


def build_vocabulary(names):
    characters = list(dict.fromkeys(character for name in names for character in name))
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
