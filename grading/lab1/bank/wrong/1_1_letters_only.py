"""Only letters are taken: spaces, hyphens and apostrophes are lost."""


def build_vocabulary(names):
    characters = sorted({character for name in names for character in name if character.isalpha()})
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
