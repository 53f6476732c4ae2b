import re


def tokens_to_score(tokens):
    part = music21.stream.Part()
    pitches, named = set(), False
    for token in tokens:
        kind, _, value = token.partition("_")
        if token in SPECIALS:
            continue
        elif token == "REST":
            named = True
        elif kind == "NOTE" and value.isdigit() and int(value) < 128:
            pitches.add(int(value))
            named = True
        elif kind == "DUR" and re.fullmatch(r"[1-9]\d*(/[1-9]\d*)?", value):
            if named:
                event = music21.chord.Chord(sorted(pitches)) if pitches else music21.note.Rest()
                event.quarterLength = Fraction(value)
                if pitches:
                    part.append(event)
            pitches, named = set(), False
        else:
            raise ValueError(f"unknown token {token!r}")
    return music21.stream.Score([part])
