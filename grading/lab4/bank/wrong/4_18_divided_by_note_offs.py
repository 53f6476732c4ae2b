"""Divided by the ends."""


def nats_per_note(nats_per_token: float, targets) -> float:
    targets = np.asarray(targets)
    notes = int(((targets >= NOTE_OFF) & (targets < TIME_SHIFT)).sum())
    return nats_per_token * int((targets != PAD).sum()) / notes if notes else float("inf")
