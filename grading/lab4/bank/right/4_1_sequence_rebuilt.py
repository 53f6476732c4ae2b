"""Plain lists and a new sequence; notes come back in another order."""


def apply_sustain(sequence):
    notes = [[n.start_time, n.end_time, n] for n in sequence.notes if not n.is_drum]
    events = [(note[0], 2, i) for i, note in enumerate(notes)]
    events += [(note[1], 3, i) for i, note in enumerate(notes)]
    changes = [c for c in sequence.control_changes if c.control_number == SUSTAIN_PEDAL]
    events += [(c.time, int(c.control_value < 64), i) for i, c in enumerate(changes)]
    held = {}
    down = set()
    gone = set()
    last = 0
    for last, kind, i in sorted(events, key=lambda event: event[:2]):
        instrument = (notes[i][2] if kind > 1 else changes[i]).instrument
        mine = held.setdefault(instrument, [])
        if kind == 0:
            down.add(instrument)
        elif kind == 1:
            down.discard(instrument)
            for j in list(mine):
                if notes[j][1] < last:
                    notes[j][1] = last
                    mine.remove(j)
        elif kind == 2:
            for j in list(mine):
                if instrument in down and notes[j][2].pitch == notes[i][2].pitch:
                    notes[j][1] = last
                    mine.remove(j)
                    if notes[j][0] == last:
                        gone.add(j)
            mine.append(i)
        elif instrument not in down and i in mine:
            mine.remove(i)
    for mine in held.values():
        for j in mine:
            notes[j][1] = last
    result = note_seq.NoteSequence()
    for j, (_, end, note) in reversed(list(enumerate(notes))):
        if j not in gone:
            result.notes.add().CopyFrom(note)
            result.notes[-1].end_time = end
    result.notes.extend(note for note in sequence.notes if note.is_drum)
    return result
