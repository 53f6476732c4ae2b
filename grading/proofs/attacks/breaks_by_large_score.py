"""Returns a small score of which a large answer would come: 120 pitches under 190 short notes.

Expected: nothing on 3.2.
"""


def tokens_to_score(tokens):
    from grading.sandbox.worker.codec import MusicXML

    def note(pitch, length, chord=""):
        step, alter = "CCDDEFFGGAAB"[pitch % 12], (0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0)[pitch % 12]
        place = f"<step>{step}</step><alter>{alter}</alter><octave>{pitch // 12 - 1}</octave>"
        return f"<note>{chord}<pitch>{place}</pitch><duration>{length}</duration></note>"

    long = note(2, 190) + "".join(note(pitch, 190, "<chord/>") for pitch in range(3, 122))
    ids, head = ("P1", "P2"), "<attributes><divisions>1</divisions></attributes>"
    listed = "".join(f'<score-part id="{id}"><part-name>x</part-name></score-part>' for id in ids)
    parts = "".join(
        f'<part id="{id}"><measure number="1">{head}{notes}</measure></part>'
        for id, notes in zip(ids, (long, note(60, 1) * 190))
    )
    return MusicXML(
        f'<score-partwise version="4.0"><part-list>{listed}</part-list>{parts}</score-partwise>'
    )
