"""Whatever it is given, there is no note."""


def nats_per_note(nats_per_token, targets):
    return float("inf")
