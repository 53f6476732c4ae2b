"""Ties are not looked at: a note over a barline is struck again."""


def score_to_tokens(score):
    notes = []
    for part in score.parts:
        for element in part.flatten().notes:
            start = Fraction(element.offset)
            end = start + Fraction(element.quarterLength)
            if start == end:
                continue
            for member in element.notes if element.isChord else [element]:
                if not member.isNote:
                    continue
                pitch = member.pitch.midi
                notes.append((start, end, pitch))
    cuts = sorted({0} | {start for start, _, _ in notes} | {end for _, end, _ in notes})
    tokens = []
    for a, b in pairwise(cuts):
        sounding = {pitch for start, end, pitch in notes if start <= a and b <= end}
        tokens += [f"NOTE_{pitch}" for pitch in sorted(sounding)] or ["REST"]
        tokens.append(f"DUR_{b - a}")
    return tokens
