"""`total_time` is the last step of all."""


def decode_performance(ids: Sequence[int]) -> note_seq.NoteSequence:
    sequence = note_seq.NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=120)
    sounding: dict[int, deque] = defaultdict(deque)
    step, velocity = 0, 100

    def end(pitch: int, start: int, loudness: int, stop: int) -> None:
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
            pitch = token - NOTE_OFF
            if sounding[pitch]:
                end(pitch, *sounding[pitch].popleft(), step)
        elif token >= NOTE_ON:
            sounding[token - NOTE_ON].append((step, velocity))
    left = [(start, pitch, loud) for pitch, notes in sounding.items() for start, loud in notes]
    for start, pitch, loud in sorted(left):
        end(pitch, start, loud, max(step, start + 1))
    sequence.total_time = step / STEPS_PER_SECOND
    return sequence
