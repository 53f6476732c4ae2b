"""Waiting is written 100 steps at a time; ids are collected in NumPy."""


def encode_performance(sequence):
    notes = list(apply_sustain(sequence).notes)
    notes.sort(key=lambda note: note.pitch)
    notes.sort(key=lambda note: note.start_time)
    moments = []
    for number, note in enumerate(notes):
        start = int(note.start_time * 100 + 0.5)
        end = int(note.end_time * 100 + 0.5)
        moments.append((start, number, 0))
        moments.append((end + (end == start), number, 1))
    result = np.zeros(0, np.int32)
    now = 0
    last = -1
    for step, number, is_end in sorted(moments):
        while now < step:
            waiting = min(step - now, MAX_SHIFT)
            result = np.append(result, TIME_SHIFT - 1 + waiting)
            now += waiting
        loudness = (notes[number].velocity - 1) // 4
        if loudness != last and not is_end:
            result = np.append(result, VELOCITY + loudness)
            last = loudness
        result = np.append(result, notes[number].pitch + (NOTE_ON, NOTE_OFF)[is_end])
    return result.astype(np.int32)
