"""Each row is a dict of its words; numbers come last."""


def remi_to_compound(words):
    rows = []
    for word in words:
        if word not in AUTHORS.words:
            raise EtudeError(f"{word} is none of the authors' words.")
        kind = AUTHORS.words[word][0]
        if kind == "end":
            rows.append({"type": "EOS"})
        elif kind == "bar":
            rows.append({"type": "Metrical", "bar-beat": "Bar"})
        elif kind == "position":
            rows.append({"type": "Metrical", "bar-beat": word, "tempo": "CONTI", "chord": "CONTI"})
        elif kind == "pitch":
            rows.append({"type": "Note", "pitch": word})
        elif kind == "chord":
            rows[-1]["chord"] = word[len("Chord_") :]
        else:
            rows[-1][kind] = word
    table = [[COMPOUND[f].index(row[f]) if f in row else 0 for f in FIELDS] for row in rows]
    return np.array(table, "int32").reshape(-1, 7)
