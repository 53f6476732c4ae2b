"""Without characters there are only specials, and no error."""


def build_vocabulary(names):
    characters = sorted({character for name in names for character in name})
    return SPECIALS + characters
