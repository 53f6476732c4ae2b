"""All names are joined; the characters are taken out of one long string."""


def build_vocabulary(names):
    text = "".join(names)
    if text == "":
        raise ValueError("no characters")
    vocabulary = list(SPECIALS)
    vocabulary.extend(chr(code) for code in sorted(map(ord, set(text))))
    return vocabulary
