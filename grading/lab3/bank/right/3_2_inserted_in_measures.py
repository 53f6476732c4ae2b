"""Events are inserted at offsets kept by hand; silence is a gap; single pitches are notes."""

import re

PITCH = re.compile(r"NOTE_(\d{1,3})")
LENGTH = re.compile(r"DUR_(\d+)(?:/(\d+))?")


def tokens_to_score(tokens):
    score = music21.stream.Score(id="generated")
    part = music21.stream.Part(id="melody")
    offset, pitches, named = Fraction(0), [], False
    for token in (token for token in tokens if token not in SPECIALS):
        note, length = PITCH.fullmatch(token), LENGTH.fullmatch(token)
        if token == "REST":
            named = True
        elif note and int(note[1]) <= 127:
            pitches.append(int(note[1]))
            named = True
        elif length and int(length[1]) and int(length[2] or 1):
            if not named:
                continue
            quarters = Fraction(int(length[1]), int(length[2] or 1))
            for sound in [music21.note.Note(pitch) for pitch in set(pitches)][:1]:
                if len(set(pitches)) > 1:
                    sound = music21.chord.Chord(list(set(pitches)))
                sound.duration.quarterLength = quarters
                part.insert(offset, sound)
            offset, pitches, named = offset + quarters, [], False
        else:
            raise ValueError(token)
    score.insert(0, part.makeNotation() if len(part) else part)
    return score
