"""What still sounds at the end goes by start and pitch, not by velocity."""


def decode_performance(ids):
    sequence = note_seq.NoteSequence()
    sounding = defaultdict(deque)
    step, velocity = 0, 100

    def end(pitch, start, loudness, stop):
        if stop > start:
            sequence.notes.add(
                pitch=pitch,
                velocity=loudness,
                start_time=start / STEPS_PER_SECOND,
                end_time=stop / STEPS_PER_SECOND,
            )

    for token in map(int, ids):
        if not 0 <= token < VOCAB_SIZE:
            raise ValueError(f"id {token}: ids go from 0 to {VOCAB_SIZE - 1}")
        if token == END:
            break
        if token >= VELOCITY:
            velocity = 4 * (token - VELOCITY) + 1
        elif token >= TIME_SHIFT:
            step += token - TIME_SHIFT + 1
        elif token >= NOTE_OFF:
            if sounding[token - NOTE_OFF]:
                end(token - NOTE_OFF, *sounding[token - NOTE_OFF].popleft(), step)
        elif token >= NOTE_ON:
            sounding[token - NOTE_ON].append((step, velocity))
    left = [(start, pitch, loud) for pitch, notes in sounding.items() for start, loud in notes]
    for start, pitch, loud in sorted(left, key=lambda note: note[:2]):
        end(pitch, start, loud, max(step, start + 1))
    sequence.total_time = max([note.end_time for note in sequence.notes], default=0)
    return sequence
