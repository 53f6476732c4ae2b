import re


def tokens_to_score(tokens):
    part = music21.stream.Part()
    pitches = set()
    for token in tokens:
        kind, _, value = token.partition("_")
        if token == "REST" or token in SPECIALS:
            continue
        elif kind == "NOTE" and value.isdigit() and int(value) < 128:
            pitches.add(int(value))
        elif kind == "DUR" and re.fullmatch(r"[1-9]\d*(/[1-9]\d*)?", value):
            event = music21.chord.Chord(sorted(pitches)) if pitches else music21.note.Rest()
            event.quarterLength = Fraction(value)
            part.append(event)
            pitches = set()
        else:
            raise ValueError(f"unknown token {token!r}")
    return music21.stream.Score([part])
