def encode_performance(sequence: note_seq.NoteSequence) -> np.ndarray:
    notes = sorted(apply_sustain(sequence).notes, key=lambda note: (note.start_time, note.pitch))
    moments = []
    for number, note in enumerate(notes):
        start, end = (int(t * STEPS_PER_SECOND + 0.5) for t in (note.start_time, note.end_time))
        moments += [(start, number, False), (max(end, start + 1), number, True)]
    events, now, loudness = [], 0, None
    for step, number, is_end in sorted(moments):
        full, rest = divmod(step - now, MAX_SHIFT)
        events += ([TIME_SHIFT + rest - 1] if rest else []) + full * [TIME_SHIFT + MAX_SHIFT - 1]
        now = step
        note = notes[number]
        bin_ = (note.velocity - 1) // 4
        if not is_end and bin_ != loudness:
            events.append(VELOCITY + bin_)
            loudness = bin_
        events.append((NOTE_OFF if is_end else NOTE_ON) + note.pitch)
    return np.array(events, np.int32)
