"""One regular expression of all pieces, the longest first, each held fast."""


def split_words(text, language="en"):
    for sign in ",-":
        text = text.replace(sign, f" {sign} ")
    if language[:2] != "de":
        return text.split()
    piece = re.compile("|".join(sorted(map(re.escape, GERMAN_PIECES), key=lambda p: -len(p))))
    tokens = []
    for word in text.split():
        found = piece.findall(word)
        place = 0
        for one in found:  # without gaps, from the beginning to the end
            place = place + len(one) if word.startswith(one, place) else -len(word)
        if place != len(word):
            found = [word]
        tokens += found[:1] + ["##" + one for one in found[1:]]
    return tokens
