"""A dict of ticks and loops over roots and templates, in Python's numbers."""


def name_chord(notes, start, end):
    ticks = {}
    for begin, stop, pitch, _ in notes.tolist():
        ticks[pitch] = ticks.get(pitch, 0) + min(stop, end) - max(begin, start)
    profile = [0] * 12
    for pitch, count in ticks.items():
        profile[pitch % 12] += count
    best = (0, 0, "")
    for root in range(12):
        if profile[root] == 0:
            continue
        turned = profile[root:] + profile[:root]
        for quality, template in TEMPLATES.items():
            score = sum(count * weight for count, weight in zip(turned, template, strict=True))
            if score > best[0]:
                best = (score, root, quality)
    score, root, quality = best
    if score < (end - start) * 10:
        return "N_N", -1
    for pitch in sorted(ticks):
        if ticks[pitch] * 8 >= end - start:
            break
    else:
        return "N_N", score
    if (quality, (root - pitch) % 12) in OVER_BASS:
        quality, root = OVER_BASS[quality, (root - pitch) % 12], pitch % 12
    minor, major = profile[root - 2], profile[root - 1]
    if quality == "M":
        quality = "M7" if major > minor else "7" if minor > major else "M"
    elif quality == "m" and minor > 0:
        quality = "m7"
    return ROOTS[root] + "_" + quality, score
