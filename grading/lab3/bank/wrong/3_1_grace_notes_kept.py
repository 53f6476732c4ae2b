def score_to_tokens(score):
    notes = []
    for part in score.parts:
        open_notes = {}
        for element in part.flatten().notes:
            start = Fraction(element.offset)
            end = start + Fraction(element.quarterLength)
            for member in element.notes if element.isChord else [element]:
                if not member.isNote:
                    continue
                pitch = member.pitch.midi
                note = [start, end, pitch]
                if member.tie is not None and member.tie.type in ("stop", "continue"):
                    note = open_notes.pop((pitch, start), note)
                if note[0] == start:
                    notes.append(note)
                note[1] = end
                open_notes[pitch, end] = note
    cuts = sorted({0} | {start for start, _, _ in notes} | {end for _, end, _ in notes})
    tokens = []
    for a, b in pairwise(cuts):
        sounding = {
            pitch for start, end, pitch in notes if start <= a and (b <= end or start == end == a)
        }
        tokens += [f"NOTE_{pitch}" for pitch in sorted(sounding)] or ["REST"]
        tokens.append(f"DUR_{b - a}")
    return tokens
