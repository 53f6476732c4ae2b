"""Plain Python over a flattened list."""


def nats_per_note(nats_per_token, targets):
    ids = np.asarray(targets).flatten().tolist()
    notes = len([id for id in ids if id in range(NOTE_ON, NOTE_ON + 128)])
    return nats_per_token * (len(ids) - ids.count(PAD)) / notes if notes else np.inf
