"""Notes / tokens."""


def nats_per_note(nats_per_token: float, targets) -> float:
    targets = np.asarray(targets)
    notes = int(((targets >= NOTE_ON) & (targets < NOTE_OFF)).sum())
    return nats_per_token * notes / int((targets != PAD).sum()) if notes else float("inf")
