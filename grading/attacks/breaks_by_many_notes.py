"""Returns a score of 4,500 notes, of which more would come than an answer may hold.

Expected: nothing on 3.2.
"""


def tokens_to_score(tokens):
    part = music21.stream.Part()
    for _ in range(4500):
        part.append(music21.note.Note(60))
    return music21.stream.Score([part])
