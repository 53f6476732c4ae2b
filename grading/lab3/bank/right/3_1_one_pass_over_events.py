"""Sorted on and off events, a heap-less sweep with counts, fractions spelled by hand, helpers."""


class Sounding:
    def __init__(self, start, end, pitch):
        self.start, self.end, self.pitch = start, end, pitch


def sounding_of(part):
    found = []
    latest = {}
    for element in part.recurse().notes:
        length = Fraction(element.duration.quarterLength)
        if element.duration.isGrace or length == 0:
            continue
        start = Fraction(element.getOffsetInHierarchy(part))
        members = [element] if isinstance(element, music21.note.NotRest) else []
        members = element.notes if hasattr(element, "notes") else members
        for member in members:
            if isinstance(member, music21.note.Unpitched):
                continue
            midi = int(member.pitch.ps)
            before = latest.pop((start, midi), None)
            if before is None or member.tie is None or member.tie.type in ("start", "let-ring"):
                before = Sounding(start, start + length, midi)
                found.append(before)
            before.end = start + length
            latest[before.end, midi] = before
    return found


def spelled(length):
    whole = length.denominator == 1
    return f"{length.numerator}" if whole else f"{length.numerator}/{length.denominator}"


def score_to_tokens(score):
    changes = [(Fraction(0), 0, 60)]
    for part in score.getElementsByClass(music21.stream.Part):
        for note in sounding_of(part):
            changes += [(note.start, 1, note.pitch), (note.end, -1, note.pitch)]
    changes.sort()
    counts = np.zeros(128, int)
    tokens = ()
    for (time, step, pitch), (following, _, _) in pairwise(changes):
        counts[pitch] += step
        if following > time:
            pitches = np.flatnonzero(counts)
            tokens += tuple(f"NOTE_{pitch:d}" for pitch in pitches) or ("REST",)
            tokens += (f"DUR_{spelled(following - time)}",)
    return list(tokens)
