"""Every run is spelled and looked up in a set."""


def copied_runs(notes, training, length=16, transposed=False):
    """Give the share of a piece's runs of `length` notes that stand in a training piece."""

    def runs(piece):
        rows = [(16 * bar + position, pitch) for bar, position, pitch in piece.tolist()]
        for first in range(len(rows) - length + 1):
            run = rows[first : first + length]
            base = run[0][1] if transposed else 0
            yield tuple((time - run[0][0], pitch - base) for time, pitch in run)

    known = {run for piece in training for run in runs(piece)}
    found = [run in known for run in runs(notes)]
    return sum(found) / len(found) if found else float("nan")
