"""The specials are missing."""


def build_vocabulary(names):
    characters = sorted({character for name in names for character in name})
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return characters
