def score_to_tokens(score):
    tokens = []
    for element in score.chordify().flatten().notesAndRests:
        if element.isRest:
            tokens.append("REST")
        else:
            tokens += [f"NOTE_{pitch}" for pitch in sorted({p.midi for p in element.pitches})]
        tokens.append(f"DUR_{Fraction(element.quarterLength)}")
    return tokens
