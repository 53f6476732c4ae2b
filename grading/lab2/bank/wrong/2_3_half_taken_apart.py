"""A word that does not come apart keeps the pieces found so far."""


def split_words(text, language="en"):
    words = re.findall("[^\\s,-]+|[,-]", text)
    if not language.startswith("de"):
        return words
    longest_first = sorted(GERMAN_PIECES, key=len, reverse=True)
    tokens = []
    for word in words:
        pieces = []
        rest = word
        while rest:
            piece = next((piece for piece in longest_first if rest.startswith(piece)), None)
            if piece is None:
                pieces.append(rest)
                break
            pieces.append(f"##{piece}" if pieces else piece)
            rest = rest[len(piece) :]
        tokens += pieces
    return tokens
