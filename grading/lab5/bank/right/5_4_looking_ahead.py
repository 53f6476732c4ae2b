"""At each word it looks whether a whole item stands there."""


def decode_remi(words, spelling):
    meant = []
    for word in words:
        if word not in spelling.words:
            raise EtudeError(f"{word} is no word of {spelling.name}.")
        if spelling.words[word][0] == "end":
            break
        meant.append(spelling.words[word])
    found, broken, bar, step, place = {"note": [], "tempo": [], "chord": []}, 0, -1, None, 0
    while place < len(meant):
        kind, value = meant[place]
        place += 1
        if kind == "bar":
            bar, step = bar + 1, None
            continue
        if kind == "position" and bar >= 0 and value >= (step or 0):
            step = value
            continue
        items = [item for item in spelling.items if item[0] == kind]
        if step is None or not items:
            broken += 1
            continue
        count = 1
        while count < len(items[0]) and place < len(meant) and meant[place][0] == items[0][count]:
            count, place = count + 1, place + 1
        values = dict(meant[place - count : place])
        tick = 1920 * bar + 120 * step
        if count < len(items[0]):
            broken += count
        elif kind == "chord":
            found["chord"].append((tick, value))
        elif "pitch" in values:
            length = max(values["duration"], 60)
            loud = values.get("velocity", 64)
            found["note"].append((tick, tick + length, values["pitch"], loud))
        else:
            found["tempo"].append((tick, float(sum(values.values()))))
    notes = np.array(found["note"], "int64").reshape(len(found["note"]), 4)
    tempi = np.array(found["tempo"], "float64").reshape(len(found["tempo"]), 2)
    return Piece(notes, tempi, tuple(found["chord"])), broken
