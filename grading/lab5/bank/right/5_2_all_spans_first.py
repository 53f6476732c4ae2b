"""Names all beats and all pairs first, then chooses."""


def heard(notes, start, end):
    earlier = sorted({begin for begin in notes[:, 0].tolist() if begin < start})[-10:]
    kept = [
        row
        for row in notes.tolist()
        if row[0] < end and row[1] > start and (row[0] >= start or row[0] in earlier)
    ]
    return name_chord(np.array(kept, int).reshape(-1, 4), start, end)


def recognise_chords(notes):
    last = max(notes[:, 1].tolist())
    singles, begin = [], 0
    while begin < last:
        singles.append(heard(notes, begin, begin + 480))
        begin += 480
    pairs = [heard(notes, begin, begin + 960) for begin in range(0, last, 960)]
    names = []
    for number, (name, score) in enumerate(pairs):
        own = singles[2 * number : 2 * number + 2]
        split = 2 * own[0][1] > score
        if len(own) == 2:
            split = 2 * min(own[0][1], own[1][1]) >= score
        names.extend(one[0] if split else name for one in own)
    return names
