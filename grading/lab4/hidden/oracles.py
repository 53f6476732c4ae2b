"""Performances at random, and what is right by definition, in float64 and plain loops."""

import numpy as np

from grading.checks.assertions import as_text, assert_holds
from grading.checks.networks import weights_of
from grading.lab4.networks import seen_by
from grading.lab4.performances import (
    END,
    NOTE_OFF,
    NOTE_ON,
    PAD,
    START,
    TIME_SHIFT,
    VELOCITY,
    notes,
    pedals,
)
from grading.sandbox.proxy import Handle

NEVER = -1e9

# Music


def random_performance(
    rng: np.random.Generator, num_notes: int, instruments: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Draw notes and pedals, some at one time, some times between two steps, some drums.

    What comes rarely by chance comes at the end: a pedal that goes down and up at one time, a pitch
    struck twice at one time, a pedal that moves when all notes are over.
    """
    rows: list[tuple] = []
    for _ in range(num_notes):
        start = rng.choice([rng.integers(0, 60) / 7, rng.integers(0, 640) / 64])
        length = rng.choice([0.003, 0.1, 0.5, 2.5])
        pitch, velocity = rng.integers(40, 52), rng.integers(1, 128)
        is_drum = rng.random() < 0.1
        program = rng.integers(128)
        rows.append(
            (pitch, velocity, start, start + length, rng.integers(instruments), program, is_drum)
        )
    moves: list[tuple] = [
        (
            rng.integers(0, 60) / 7,
            rng.choice([0, 63, 64, 127]),
            rng.integers(instruments),
            rng.choice([64, 64, 64, 67]),
        )
        for _ in range(num_notes // 2)
    ]
    low, quiet = int(rng.integers(60, 90)), int(rng.integers(1, 127))
    rows += [(low, quiet, 20, 20.5), (low + 1, quiet, 22, 22.1)]
    rows += [(low + 2, quiet, 24, 25), (low + 2, quiet + 1, 24, 26)]
    moves += [(19.9, 100), (21, 0), (21, 100), (23, 100), (30, 100)]
    return notes(*rows), pedals(*moves)


def random_ids(rng: np.random.Generator, size: int, highest: int = 127) -> np.ndarray:
    """Draw events: much waiting, few pitches, so that notes are often ended.

    Pitches are from 127 - `highest` to `highest`. None starts twice at one step: which of the two
    then ends first is not said.
    """
    pitches = rng.integers(127 - highest, highest + 1, 4)
    kinds = rng.integers(0, 4, size)
    drawn = np.stack(
        [
            NOTE_ON + rng.choice(pitches, size),
            NOTE_OFF + rng.choice(pitches, size),
            TIME_SHIFT + rng.integers(0, 100, size) * rng.integers(0, 2, size),
            VELOCITY + rng.integers(0, 32, size),
        ]
    )
    ids = drawn[kinds, np.arange(size)].astype("i4")
    started: set[int] = set()  # at this step
    for place, id in enumerate(ids.tolist()):
        if TIME_SHIFT <= id < VELOCITY:
            started.clear()
        elif id in started:
            ids[place] = NOTE_OFF + id - NOTE_ON
        elif id < NOTE_OFF:
            started.add(id)
    return ids


# Crops


def crops_of(tokens: np.ndarray, offsets: np.ndarray, length: int) -> list[bytes]:
    """Every crop of every piece, as often as it is one: inputs and targets as bytes."""
    crops = []
    for piece in np.split(tokens, offsets[1:-1]):
        pairs = np.array([START, *piece, END])
        for first in range(1 - length, len(piece) + 1):
            places = range(max(first, 0), min(first + length, len(piece) + 1))
            crop = np.zeros((2, length), "i4")
            for column, place in enumerate(places):
                crop[:, column] = pairs[place : place + 2]
            crops.append(crop.tobytes())
    return crops


def crop_counts(batches: list[list[np.ndarray]], crops: list[bytes]) -> np.ndarray:
    """Count how often each crop came; demand that nothing else did."""
    kinds = {crop: number for number, crop in enumerate(dict.fromkeys(crops))}
    counts = np.zeros(len(kinds), int)
    for inputs, targets in batches:
        for row in zip(inputs, targets, strict=True):
            kind = kinds.get(np.array(row, "i4").tobytes())
            shown = f"no crop has the inputs {as_text(row[0])} and targets {as_text(row[1])}"
            assert_holds(kind is not None, shown)
            counts[kind] += 1
    return counts


# Attention


def relative_scores(queries: np.ndarray, embeddings: np.ndarray, source: int) -> np.ndarray:
    """Score queries (batch, T, heads, dim) by distance; 0 where a key is after the query."""
    batch, target, heads, _ = queries.shape
    scores = np.zeros((batch, heads, target, source))
    for t in range(target):
        for s in range(source - target + t + 1):
            vector = embeddings[min(source - target + t - s, len(embeddings) - 1)]
            scores[:, :, t, s] = queries[:, t].astype("f8") @ vector
    return scores


def attention_parts(attention: Handle) -> dict[str, np.ndarray]:
    """Give the weights of a `RelativeAttention` by the end of their names, "query/kernel"."""
    weights = weights_of(attention)
    names = [f"{p}/{w}" for p in ("query", "key", "value") for w in ("kernel", "bias")]
    names += ["output_projection/kernel", "output_projection/bias", "/distances"]
    found = {}
    for name in names:
        matching = [value for path, value in weights.items() if path.endswith(name)]
        one = len(matching) == 1
        assert_holds(one, f"expected one weight whose name ends with {name!r}: {sorted(weights)}")
        found[name] = matching[0].astype("f8")
    return found


def attend(
    attention: Handle, x: np.ndarray, window: int, mask: np.ndarray | None = None
) -> list[np.ndarray]:
    """Give output, keys and values of relative attention."""
    w = attention_parts(attention)
    q, k, v = (
        np.einsum("btd,dhk->bthk", x, w[f"{part}/kernel"]) + w[f"{part}/bias"]
        for part in ("query", "key", "value")
    )
    length = x.shape[1]
    scores = np.einsum("bthk,bshk->bhts", q, k) + relative_scores(q, w["/distances"], length)
    scores /= np.sqrt(q.shape[-1])
    allowed = seen_by(length, length) & ~np.tri(length, length, -window, dtype=bool)
    if mask is not None:
        allowed = allowed & mask[:, None, None]
    scores = np.where(allowed, scores, NEVER)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found = powers / powers.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhts,bshk->bthk", found, v)
    output = np.einsum("bthk,hkd->btd", mixed, w["output_projection/kernel"])
    return [output + w["output_projection/bias"], k.swapaxes(1, 2), v.swapaxes(1, 2)]


# Writing


def filtered(row: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Filter the logits of one row."""
    row = row.astype("f8") / temperature
    if 0 < top_k < len(row):
        row = np.where(row >= np.sort(row)[-top_k], row, NEVER)
    if top_p < 1:
        powers = np.exp(row - row.max())
        order = np.argsort(-row, kind="stable")
        total, kept = 0.0, []
        for place in order:
            kept.append(place)
            total += powers[place] / powers.sum()
            if total >= top_p:
                break
        row = np.where(row >= row[kept[-1]], row, NEVER)
    return row


class Script:
    """The script that `scripted_music` in grading/lab4/builders.py follows."""

    def __init__(self, table: np.ndarray, window: int):
        self.table, self.window = table, window

    def logits(self, ids: list[int]) -> np.ndarray:
        """Give the logits after some ids."""
        rows = len(self.table)
        heard = ids[::-1][: self.window]
        factors = sum(n**2 for n in range(1, 17))
        total = sum(factors * id * (3**distance % rows) for distance, id in enumerate(heard))
        return self.table[total % rows]

    def play(
        self,
        primers: np.ndarray,
        noise: np.ndarray,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        grammar: bool = False,
    ) -> tuple[np.ndarray, float]:
        """Write on; and by how little an id was ever chosen."""
        written, gap = np.zeros(noise.shape[:2], "i4"), np.inf
        for row, primer in enumerate(primers.tolist()):
            ids = list(primer)
            for step in range(noise.shape[1]):
                logits = self.logits(ids).astype("f8")
                logits[[PAD, START]] = NEVER
                if grammar:
                    logits[[NOTE_OFF + p for p in range(128) if not sounds(ids, p)]] = NEVER
                scores = filtered(logits, temperature, top_k, top_p) + noise[row, step]
                second, first = np.sort(scores)[-2:]
                gap = min(gap, first - second)
                ids.append(int(scores.argmax()))
                written[row, step] = ids[-1]
                if ids[-1] == END:
                    break
        return written, gap


def sounds(ids: list[int], pitch: int) -> int:
    """How often a pitch sounds after some ids."""
    count = 0
    for id in ids:
        count += id == NOTE_ON + pitch
        count = max(count - (id == NOTE_OFF + pitch), 0)
    return count


def playable(ids: list[int], written: list[int]) -> bool:
    """Whether no written NOTE_OFF ends what does not sound."""
    for place, id in enumerate(written):
        if NOTE_OFF <= id < TIME_SHIFT and not sounds([*ids, *written[:place]], id - NOTE_OFF):
            return False
    return True
