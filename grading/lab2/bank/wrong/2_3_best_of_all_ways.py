def split_words(text, language="en"):
    words = re.findall(r"[^\s,-]+|[,-]", text)
    if not language.startswith("de"):
        return words

    def apart(rest):
        if not rest:
            return []
        for piece in sorted(GERMAN_PIECES, key=len, reverse=True):
            if rest.startswith(piece) and (others := apart(rest[len(piece) :])) is not None:
                return [piece, *others]
        return None

    tokens = []
    for word in words:
        first, *others = apart(word) or [word]
        tokens += [first, *(f"##{piece}" for piece in others)]
    return tokens
