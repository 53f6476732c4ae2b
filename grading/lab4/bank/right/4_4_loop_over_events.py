"""A plain loop that keeps two clocks."""


def augment(ids, semitones, stretch):
    if stretch <= 0 or abs(semitones) > 12:
        raise ValueError("stretch or semitones")
    result, now, written = [], 0, 0
    for id in np.asarray(ids).tolist():
        if TIME_SHIFT <= id < VELOCITY:
            now += id - TIME_SHIFT + 1
            continue
        place = int(now * stretch + 0.5)
        while written < place:
            waiting = min(MAX_SHIFT, place - written)
            result.append(TIME_SHIFT + waiting - 1)
            written += waiting
        for first in (NOTE_ON, NOTE_OFF):
            if LOWEST <= id - first <= HIGHEST and first <= id < first + 128:
                pitch = id - first + semitones
                while pitch > HIGHEST:
                    pitch -= 12
                while pitch < LOWEST:
                    pitch += 12
                id = first + pitch
                break
        result.append(id)
    return np.array(result, np.int32)
