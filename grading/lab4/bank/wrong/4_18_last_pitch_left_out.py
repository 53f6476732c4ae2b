"""Pitch 127 is no note."""


def nats_per_note(nats_per_token: float, targets) -> float:
    targets = np.asarray(targets)
    notes = int(((targets >= NOTE_ON) & (targets < NOTE_OFF - 1)).sum())
    return nats_per_token * int((targets != PAD).sum()) / notes if notes else float("inf")
