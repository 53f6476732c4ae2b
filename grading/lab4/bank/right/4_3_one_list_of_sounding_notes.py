"""One list of what sounds, searched from its beginning; seconds are added up in steps."""


def decode_performance(ids):
    result = note_seq.NoteSequence()
    sounding = []
    step = 0
    loudness = 100

    def add(note, stop):
        pitch, begin, velocity = note
        result.notes.add(
            pitch=pitch, velocity=velocity, start_time=begin * 0.01, end_time=stop * 0.01
        )
        result.total_time = max(result.total_time, stop * 0.01)

    for id in np.asarray(ids, int).tolist():
        if id < 0 or id >= VOCAB_SIZE:
            raise ValueError("no such id")
        if id == END:
            break
        if id in (PAD, START):
            continue
        if id < NOTE_OFF:
            sounding.append((id - NOTE_ON, step, loudness))
        elif id < TIME_SHIFT:
            for note in sounding:
                if note[0] == id - NOTE_OFF:
                    sounding.remove(note)
                    if note[1] < step:
                        add(note, step)
                    break
        elif id < VELOCITY:
            step += id - TIME_SHIFT + 1
        else:
            loudness = 1 + 4 * (id - VELOCITY)
    for note in sorted(sounding, key=lambda note: (note[1], note[0], note[2])):
        add(note, step + (note[1] == step))
    return result
