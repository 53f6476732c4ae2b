"""All items in one list, sorted by step and kind; bars are written as they pass."""


def rounded(ticks, unit):
    whole, rest = divmod(int(ticks), unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))


def encode_remi(piece, spelling):
    sign = 1 if spelling.lowest_first else -1
    rows = sorted(piece.notes.tolist(), key=lambda row: (row[0], sign * row[2]))
    if not rows:
        raise EtudeError("There are no notes in this piece.")
    first = rounded(rows[0][0], 120) // 16 * 16
    last_bar = (rounded(rows[-1][0], 120) - first) // 16
    if spelling.drops_end:
        last_bar = (rows[-1][0] - 1) // 1920 - first // 16
    items = []
    for kind, events in enumerate((piece.chords, piece.tempi.tolist())):
        taken = {}
        for tick, value in events:
            step = max(0, 4 * rounded(tick, 480) - first)
            words = [spelling.chord(value)] if kind == 0 else spelling.tempo(value)
            if words:
                taken[step] = words if spelling.clamped == "last" else taken.get(step, words)
        items += [(step, kind, 0, words) for step, words in taken.items()]
    for number, (start, end, pitch, velocity) in enumerate(rows):
        words = spelling.note(pitch, velocity, end - start)
        items.append((rounded(start, 120) - first, 2, number, words))
    items.sort(key=lambda item: item[:3])
    line, bar, before = [], -1, -1
    for step, _, _, words in items:
        if step // 16 > last_bar:
            break
        while bar < step // 16:
            line.append(BAR)
            bar += 1
        if spelling.position_each or step != before:
            line.append(spelling.position(step % 16))
        before = step
        line.extend(words)
    return line + [BAR] * (last_bar - bar) + [BAR, END]
