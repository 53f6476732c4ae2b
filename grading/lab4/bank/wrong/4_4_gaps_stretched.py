def augment(ids: np.ndarray, semitones: int, stretch: float) -> np.ndarray:
    if not stretch > 0:
        raise ValueError(f"stretch {stretch}: must be above 0")
    if not -12 <= semitones <= 12:
        raise ValueError(f"semitones {semitones}: must be from -12 to 12")
    ids = np.asarray(ids, np.int32)
    is_shift = (ids >= TIME_SHIFT) & (ids < VELOCITY)
    steps = np.cumsum(np.where(is_shift, ids - TIME_SHIFT + 1, 0))[~is_shift]
    events = ids[~is_shift]

    is_note = (events >= NOTE_ON) & (events < TIME_SHIFT)
    base = np.where(events < NOTE_OFF, NOTE_ON, NOTE_OFF)
    pitch = events - base
    moved = pitch + semitones
    moved = np.where(moved > HIGHEST, moved - 12, np.where(moved < LOWEST, moved + 12, moved))
    on_piano = (pitch >= LOWEST) & (pitch <= HIGHEST)
    events = np.where(is_note & on_piano, base + moved, events)

    gaps = np.floor(np.diff(steps, prepend=0) * stretch + 0.5).astype(np.int64)
    full, rest = np.divmod(gaps, MAX_SHIFT)
    lengths = full + (rest > 0) + 1
    ends = np.cumsum(lengths)
    result = np.full(ends[-1] if len(ends) else 0, TIME_SHIFT + MAX_SHIFT - 1, np.int32)
    result[ends - 1] = events
    result[(ends - 2)[rest > 0]] = TIME_SHIFT + rest[rest > 0] - 1
    return result
