"""Pieces are tried as they are listed: ein hides eins."""


def split_words(text, language="en"):
    words = re.findall("[^\\s,-]+|[,-]", text)
    if not language.startswith("de"):
        return words
    longest_first = GERMAN_PIECES
    tokens = []
    for word in words:
        pieces = []
        rest = word
        while rest:
            piece = next((piece for piece in longest_first if rest.startswith(piece)), None)
            if piece is None:
                pieces = [word]
                break
            pieces.append(f"##{piece}" if pieces else piece)
            rest = rest[len(piece) :]
        tokens += pieces
    return tokens
