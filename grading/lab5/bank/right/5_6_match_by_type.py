"""A match on the type, and words put together from numbers."""


def compound_to_remi(rows):
    words, broken = [], 0
    for row in np.asarray(rows):
        for i, field in enumerate(FIELDS):
            if row[i] < 0 or row[i] >= len(COMPOUND[field]):
                raise EtudeError(f"{field} {row[i]} is outside the vocabulary.")
        tempo, chord, place, kind, pitch, duration, velocity = map(int, row)
        match kind, place:
            case 0, _:
                return [*words, END], broken
            case 1, 0:
                broken += 1
            case 1, 1:
                words.append(BAR)
            case 1, _:
                words.append(f"Beat_{place - 2}")
                if chord >= 2:
                    words.append("Chord_" + COMPOUND["chord"][chord])
                if tempo >= 2:
                    words.append(f"Tempo_{32 + 3 * (tempo - 2)}")
            case _:
                if min(pitch, duration, velocity) == 0:
                    broken += 1
                    continue
                words.append(f"Note_Pitch_{pitch - 1}")
                words.append(f"Note_Velocity_{38 + 2 * velocity}")
                words.append(f"Note_Duration_{120 * (duration - 1)}")
    return words, broken
