"""What is right by definition, written as loops; NumPy only."""

import numpy as np

from toolkit.music.piece import CHORDS, ROOTS
from toolkit.music.remi import SPELLINGS

TEMPLATES = {
    "M": {0: 10, 1: -2, 2: -1, 3: -2, 4: 10, 5: -5, 6: -2, 7: 10, 8: -2, 9: -1, 10: -2, 11: 0},
    "m": {0: 10, 1: -2, 2: -1, 3: 10, 4: -2, 5: -5, 6: -2, 7: 10, 8: -1, 9: -2, 10: 0, 11: -2},
    "o": {0: 10, 1: -2, 2: -1, 3: 10, 4: -2, 5: -1, 6: 10, 7: -2, 8: -2, 9: 1, 10: -1, 11: -2},
    "+": {0: 10, 1: -2, 2: -1, 3: -2, 4: 10, 5: -1, 6: -2, 7: -2, 8: 10, 9: -1, 10: -2, 11: 0},
    "sus2": {0: 10, 1: -2, 2: 5, 3: -2, 4: -1, 5: -5, 6: -2, 7: 5, 8: -2, 9: -1, 10: -2, 11: 0},
    "sus4": {0: 10, 1: -2, 2: -1, 3: -2, 4: -5, 5: 5, 6: -2, 7: 5, 8: -2, 9: -1, 10: -2, 11: 0},
}
OVER_BASS = {
    ("M", 3): "m7",
    ("m", 4): "M7",
    ("m", 3): "/o7",
    ("o", 4): "7",
    ("o", 3): "o7",
    ("sus2", 5): "sus4",
    ("sus4", 7): "sus2",
}


def chord(notes: np.ndarray, start: int, end: int) -> tuple[str, int]:
    """Name a span's chord."""
    ticks: dict[int, int] = {}
    for begin, stop, pitch, _ in notes.tolist():
        ticks[pitch] = ticks.get(pitch, 0) + min(stop, end) - max(begin, start)
    profile = [sum(t for p, t in ticks.items() if p % 12 == k) for k in range(12)]
    best, name, root = 0, "", 0
    for candidate in range(12):
        for quality, template in TEMPLATES.items():
            score = sum(profile[(candidate + i) % 12] * w for i, w in template.items())
            if profile[candidate] and score > best:
                best, name, root = score, quality, candidate
    if best < 10 * (end - start):
        return "N_N", -1
    held = [pitch for pitch, t in sorted(ticks.items()) if 8 * t >= end - start]
    if not held:
        return "N_N", best
    bass = held[0] % 12
    if (name, (root - bass) % 12) in OVER_BASS:
        root, name = bass, OVER_BASS[name, (root - bass) % 12]
    minor, major = profile[(root + 10) % 12], profile[(root + 11) % 12]
    if name == "M":
        name = "M7" if major > minor else "7" if minor > major else "M"
    elif name == "m" and minor:
        name = "m7"
    return f"{ROOTS[root]}_{name}", best


def chords(notes: np.ndarray) -> list[str]:
    """Name the chord of each beat."""
    starts = sorted(set(notes[:, 0].tolist()))
    count = -(-int(notes[:, 1].max()) // 480)

    def heard(start: int, end: int) -> tuple[str, float]:
        recent = [one for one in starts if one < start][-10:]
        kept = [
            row
            for row in notes.tolist()
            if row[0] < end and row[1] > start and (row[0] >= start or row[0] in recent)
        ]
        return chord(np.array(kept, int).reshape(-1, 4), start, end)

    names: list[str] = []
    for beat in range(0, count, 2):
        name, score = heard(480 * beat, 480 * beat + 960)
        first = heard(480 * beat, 480 * beat + 480)
        if beat + 1 == count:
            names.append(first[0] if first[1] > score / 2 else name)
            break
        second = heard(480 * beat + 480, 480 * beat + 960)
        clear = min(first[1], second[1]) >= score / 2
        names += [first[0], second[0]] if clear else [name, name]
    return names


def half_even(ticks: float, unit: int) -> int:
    """Round to units, a half to the even one."""
    return round(ticks / unit)


def remi(notes: np.ndarray, tempi: np.ndarray, marks: list, name: str) -> list[str]:
    """Encode a piece: every item as (step, kind, rank, words), sorted."""
    spelling = SPELLINGS[name]
    rows = sorted(
        notes.tolist(), key=lambda row: (row[0], row[2] if spelling.lowest_first else -row[2])
    )
    leading = half_even(rows[0][0], 120) // 16
    bars = half_even(rows[-1][0], 120) // 16 + 1 - leading
    if spelling.drops_end:
        bars = -(-rows[-1][0] // 1920) - leading
    items = []
    for kind, events in enumerate((marks, [(tick, bpm) for tick, bpm in tempi.tolist()])):
        taken: dict[int, list[str]] = {}
        for tick, value in events:
            step = max(4 * half_even(tick, 480) - 16 * leading, 0)
            words = spelling.tempo(value) if kind else [spelling.chord(value)]
            if words and (spelling.clamped == "last" or step not in taken):
                taken[step] = words
        items += [(step, kind, 0, words) for step, words in taken.items()]
    for rank, (start, end, pitch, velocity) in enumerate(rows):
        step = half_even(start, 120) - 16 * leading
        items.append((step, 2, rank, spelling.note(pitch, velocity, end - start)))
    items.sort(key=lambda item: item[:3])
    line: list[str] = []
    for bar in range(bars):
        line.append("Bar_None")
        last = None
        for step, _, _, words in items:
            if step // 16 == bar:
                if spelling.position_each or step != last:
                    line.append(spelling.position(step % 16))
                line += words
                last = step
    return [*line, "Bar_None", "EOS_None"]


def piece_of(words: list[str], name: str) -> tuple:
    """Decode words by looking ahead: at each place, is a whole item there?"""
    spelling = SPELLINGS[name]
    meant = [spelling.words[word] for word in words]
    kinds = [kind for kind, _ in meant]
    if "end" in kinds:
        meant, kinds = meant[: kinds.index("end")], kinds[: kinds.index("end")]
    notes, tempi, marks, broken = [], [], [], 0
    place, bar, step = 0, -1, -1
    while place < len(kinds):
        kind, value = meant[place]
        item = next((item for item in spelling.items if item[0] == kind), None)
        if kind == "bar":
            bar, step = bar + 1, -1
        elif kind == "position" and bar >= 0 and value >= step:
            step = value
        elif item and step >= 0:
            read = 0
            while read < len(item) and kinds[place : place + read + 1] == list(item[: read + 1]):
                read += 1
            values = dict(meant[place : place + read])
            tick = 1920 * bar + 120 * step
            if read < len(item):
                broken += read
            elif kind == "chord":
                marks.append((tick, values["chord"]))
            elif "pitch" in item:
                length = values["duration"] or 60
                notes.append((tick, tick + length, values["pitch"], values.get("velocity", 64)))
            else:
                tempi.append((tick, sum(values.values())))
            place += read - 1
        else:
            broken += 1
        place += 1
    return (
        np.array(notes, "i8").reshape(-1, 4),
        np.array(tempi, "f8").reshape(-1, 2),
        marks,
        broken,
    )


def any_piece(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list]:
    """Draw notes, tempi and chords: much at one tick, halves of steps, leading bars."""
    count, first = int(rng.integers(5, 25)), int(rng.integers(0, 3)) * 1920
    grid = int(rng.choice([20, 30, 60]))
    start = first + grid * rng.integers(0, 6000 // grid, count)
    length = rng.integers(0, 100, count) * 30
    notes = np.stack(
        [start, start + length, rng.integers(30, 100, count), rng.integers(1, 128, count)], axis=1
    )
    ticks = np.sort(rng.integers(0, first + 6000, (2, 8)) // 60 * 60)
    tempi = np.stack([ticks[0], rng.uniform(20, 250, 8)], axis=1)
    marks = [(int(tick), CHORDS[int(rng.integers(133))]) for tick in ticks[1]]
    return notes, tempi, marks


def scores(queries, keys, positions, content_bias, position_bias) -> np.ndarray:
    """Transformer-XL's four terms, pair by pair; 0 at later keys."""
    batch, heads, target, _ = queries.shape
    source = keys.shape[2]
    found = np.zeros((batch, heads, target, source))
    for b, h, t in np.ndindex(batch, heads, target):
        for s in range(source - target + t + 1):
            r = positions[h, source - 1 - (source - target + t - s)]
            q, k = queries[b, h, t], keys[b, h, s]
            found[b, h, t, s] = q @ k + q @ r + content_bias[h] @ k + position_bias[h] @ r
    return found


def normed(x: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """Norm a layer's input."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / scale * weights[f"block_{name}", "gamma"] + weights[f"block_{name}", "beta"]


def xl_layer(weights: dict, x, memory, known, biases, same_length: bool) -> np.ndarray:
    """Do an `XLLayer` in float64; weights by ("block_query", "kernel")."""
    x, memory = x.astype("f8"), memory.astype("f8")
    reach, length, d_model = memory.shape[1], x.shape[1], x.shape[2]
    both = normed(np.concatenate([memory, x], axis=1), weights, "norm_1")

    def kernel(part: str) -> np.ndarray:
        return weights[f"block_{part}", "kernel"].astype("f8")

    queries, keys, values = (
        np.einsum("btd,dhk->bhtk", both, kernel(part)) for part in ("query", "key", "value")
    )
    waves = np.zeros((reach + length, d_model))
    for row, distance in enumerate(reversed(range(reach + length))):
        for j in range(d_model // 2):
            angle = distance * 10000 ** (-2 * j / d_model)
            waves[row, j], waves[row, d_model // 2 + j] = np.sin(angle), np.cos(angle)
    r = np.einsum("sd,dhk->hsk", waves, kernel("position"))
    found = scores(queries[:, :, reach:], keys, r, *biases) / np.sqrt(queries.shape[-1])
    for b, t, s in np.ndindex(len(x), length, reach + length):
        distance = reach + t - s
        seen = distance >= 0 and (s >= reach or known[b, s])
        if not seen or (same_length and distance > reach):
            found[b, :, t, s] = -np.inf
    shares = np.exp(found - found.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhts,bhsk,hkd->btd", shares, values, kernel("output_projection"))
    y = x + mixed
    hidden = normed(y, weights, "norm_2") @ kernel("expand") + weights["block_expand", "bias"]
    return y + np.maximum(hidden, 0) @ kernel("contract") + weights["block_contract", "bias"]


def feature(x: np.ndarray) -> np.ndarray:
    """elu(x) + 1."""
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def linear(queries, keys, values) -> np.ndarray:
    """Linear attention, position by position, in float64."""
    queries, keys = feature(queries.astype("f8")), feature(keys.astype("f8"))
    found = np.zeros((*queries.shape[:3], values.shape[-1]))
    for b, h, t in np.ndindex(queries.shape[:3]):
        weights = [queries[b, h, t] @ keys[b, h, s] for s in range(t + 1)]
        total = sum(weight * values[b, h, s] for s, weight in enumerate(weights))
        found[b, h, t] = total / (sum(weights) + 1e-6)
    return found


def nats(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Each target's cross-entropy; 0 where it is negative."""
    logits = logits.astype("f8")
    logs = logits - logits.max(axis=-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=-1, keepdims=True))
    chosen = np.take_along_axis(logs, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return np.where(targets >= 0, -chosen, 0)


class Script:
    """What grading/lab5/builders.py's script generates."""

    def __init__(self, table: np.ndarray, fields: int):
        self.table, self.fields = table, fields

    def generate(self, primers, noise, temperatures, top_ps) -> tuple[np.ndarray, float]:
        """The words, and by how much the nearest choice was decided."""
        fields, size = max(self.fields, 1), self.table.shape[1] // max(self.fields, 1)
        primers = primers.reshape(*primers.shape[:2], fields)
        factors = np.arange(1, fields + 1)
        found = np.zeros((len(primers), noise.shape[1], fields), "i4")
        gap = np.inf
        for row, primer in enumerate(primers):
            total = 0
            for word in primer:
                total = (3 * total + int(word @ factors)) % len(self.table)
            for step in range(noise.shape[1]):
                logits = self.table[total].reshape(fields, size)
                warm = logits / np.reshape(temperatures, (-1, 1)) * np.reshape(top_ps, (-1, 1))
                lucky = warm + noise[row, step].reshape(fields, size)
                word = lucky.argmax(axis=-1)
                ordered = np.sort(lucky, axis=-1)
                gap = min(gap, float((ordered[:, -1] - ordered[:, -2]).min()))
                if word[3 if self.fields else 0] == 0:
                    break
                found[row, step] = word
                total = (3 * total + int(word @ factors)) % len(self.table)
        return (found if self.fields else found[..., 0]), gap
