def apply_sustain(sequence: note_seq.NoteSequence) -> note_seq.NoteSequence:
    result = note_seq.NoteSequence()
    result.CopyFrom(sequence)
    pedal_down, pedal_up, note_on, note_off = range(4)
    events: list[tuple] = []
    for note in result.notes:
        if not note.is_drum:
            events += [(note.start_time, note_on, note), (note.end_time, note_off, note)]
    for change in result.control_changes:
        if change.control_number == SUSTAIN_PEDAL:
            kind = pedal_down if change.control_value >= 64 else pedal_up
            events.append((change.time, kind, change))
    events.sort(key=lambda event: event[:2])

    is_down: dict[int, bool] = defaultdict(bool)
    sounding: dict[int, list] = defaultdict(list)
    struck_twice = []
    time = 0.0
    for time, kind, event in events:
        held = sounding[event.instrument]
        if kind == pedal_down:
            is_down[0] = True
        elif kind == pedal_up:
            is_down[0] = False
            released = [
                note for notes in sounding.values() for note in notes if note.end_time < time
            ]
            for notes in sounding.values():
                notes[:] = [note for note in notes if note.end_time >= time]
            for note in released:
                note.end_time = time
        elif kind == note_on:
            if is_down[0]:
                again = [note for note in held if note.pitch == event.pitch]
                held[:] = [note for note in held if note.pitch != event.pitch]
                for note in again:
                    note.end_time = time
                struck_twice += [note for note in again if note.start_time == time]
            held.append(event)
        elif not is_down[0] and event in held:
            held.remove(event)
    for held in sounding.values():
        for note in held:
            note.end_time = time
    for note in struck_twice:
        result.notes.remove(note)
    result.total_time = max([result.total_time, *(note.end_time for note in result.notes)])
    return result
