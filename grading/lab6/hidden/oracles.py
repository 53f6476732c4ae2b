"""What is right by definition, in float64 and plain loops."""

from itertools import combinations, product
from typing import Any

import numpy as np

from grading.checks.assertions import assert_holds
from grading.checks.networks import weights_of
from grading.sandbox.proxy import Handle

NEVER = -1e9
PAD, START, END = range(3)

# Layers


def turned(x: np.ndarray, offset: int) -> np.ndarray:
    """Turn x (batch, length, heads, dim) as complex numbers."""
    half = x.shape[-1] // 2
    numbers = x[..., :half].astype("f8") + 1j * x[..., half:]
    for t, i in product(range(x.shape[1]), range(half)):
        numbers[:, t, :, i] *= np.exp(1j * (offset + t) * 10_000.0 ** (-2 * i / x.shape[-1]))
    return np.concatenate([numbers.real, numbers.imag], axis=-1)


def parts_of(layer: Handle) -> dict[str, np.ndarray]:
    """Give a layer's weights by the end of their names, "query/kernel"."""
    found = {}
    for path, value in weights_of(layer).items():
        *_, above, own = path.split("/")
        found[f"{above.split('_', 1)[-1]}/{own}"] = value.astype("f8")
    return found


def linear(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Apply a linear layer, with its bias if it has one."""
    kernel = weights.get(f"{name}/kernel")
    assert_holds(kernel is not None, f"there should be a kernel of {name}: {sorted(weights)}")
    return x @ kernel + weights.get(f"{name}/bias", 0)


def feed_forward(layer: Handle, x: np.ndarray) -> np.ndarray:
    """Give the network's output."""
    w, x = parts_of(layer), x.astype("f8")
    wide = linear(x, w, "expand")
    if "gate/kernel" in w:
        gate = linear(x, w, "gate")
        wide = gate / (1 + np.exp(-gate)) * wide
    else:
        wide = wide / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
    return linear(wide, w, "contract")


def attend(layer: Handle, x: np.ndarray, settings: dict[str, Any]) -> list[np.ndarray]:
    """Give output, keys and values of attention in groups, head by head."""
    w, x = parts_of(layer), x.astype("f8")
    heads, groups = settings["num_heads"], settings["num_kv_heads"]
    q, k, v = (
        linear(x, w, part).reshape(*x.shape[:2], number, -1)
        for part, number in (("query", heads), ("key", groups), ("value", groups))
    )
    if settings.get("rotary"):
        q, k = turned(q, 0), turned(k, 0)
    outputs = []
    for head in range(heads):
        group = head // (heads // groups)
        scores = q[:, :, head] @ k[:, :, group].swapaxes(1, 2) / np.sqrt(q.shape[-1])
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, NEVER)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        outputs.append(powers / powers.sum(axis=-1, keepdims=True) @ v[:, :, group])
    output = linear(np.concatenate(outputs, axis=-1), w, "output_projection")
    return [output, k.swapaxes(1, 2), v.swapaxes(1, 2)]


def num_parameters(settings: dict[str, Any]) -> int:
    """Count a model's weights, shape by shape."""
    d, f = settings["d_model"], settings["ff_dim"]
    shared = d // settings["num_heads"] * settings["num_kv_heads"]
    linears = [(d, d), (d, shared), (d, shared), (d, d), (d, f), (f, d)]
    linears += [(d, f)] if settings["network"] == "swiglu" else []
    norm = d * (2 if settings["norm"] == "layer" else 1)
    block = 2 * norm + sum(a * b + (b if settings["biases"] else 0) for a, b in linears)
    total = settings["num_layers"] * block + norm + settings["vocab_size"] * d
    total += settings["context_length"] * d if settings["positions"] == "learned" else 0
    return total + (0 if settings["tied"] else settings["vocab_size"] * d)


# Beam search


class Script:
    """The script that `Scripted` in grading/lab6/builders.py follows."""

    def __init__(self, table: np.ndarray):
        self.table = table

    def log_probabilities(self, ids: list[int]) -> np.ndarray:
        """Give the log-probabilities of each id after some ids."""
        rows = len(self.table)
        total = sum(3 * id * (3**distance % rows) for distance, id in enumerate(ids[::-1]))
        logits = self.table[total % rows].astype("f8")
        logits[[PAD, START]] = NEVER
        return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())

    def search(
        self, primer: list[int], steps: int, num_beams: int, alpha: float
    ) -> tuple[list[int], float, float]:
        """Search; the best ids, their score, and by how little anything was ever decided."""
        beams: list[tuple[float, float, list[int]]] = [(0.0, 0.0, [])]  # score, sum, ids
        gap = np.inf
        for _ in range(steps):
            found = [beam for beam in beams if beam[2][-1:] == [END]]
            for _, total, ids in beams:
                if ids[-1:] != [END]:
                    costs = self.log_probabilities(primer + ids)
                    for id in range(END, len(costs)):
                        own = total + costs[id]
                        found.append((own / (len(ids) + 1) ** alpha, own, [*ids, id]))
            found.sort(key=lambda beam: -beam[0])
            scores = np.array([beam[0] for beam in found[: num_beams + 1]])
            gap = min([gap, *-np.diff(scores)])
            beams = found[:num_beams]
        return beams[0][2], beams[0][0], gap

    def best(self, primer: list[int], steps: int, alpha: float) -> tuple[list[int], float]:
        """Try every continuation; the best."""
        vocab_size, found = self.table.shape[1], []
        for length in range(1, steps + 1):
            for ids in product(range(END + 1, vocab_size), repeat=length - 1):
                for last in range(END, vocab_size) if length == steps else [END]:
                    whole = [*ids, last]
                    total = sum(
                        self.log_probabilities(primer + whole[:i])[id] for i, id in enumerate(whole)
                    )
                    found.append((total / length**alpha, whole))
        score, ids = max(found)
        return ids, score


# Measures


def entropy(notes: np.ndarray, num_bars: int, window: int) -> float:
    """Average the entropy of pitch classes over windows."""
    window, found = min(window, num_bars), []
    for first in range(num_bars - window + 1):
        classes = [pitch % 12 for bar, _, pitch in notes.tolist() if first <= bar < first + window]
        if classes:
            shares = [classes.count(one) / len(classes) for one in set(classes)]
            found.append(-sum(share * np.log2(share) for share in shares))
    return float(np.mean(found)) if found else float("nan")


def groove(notes: np.ndarray, num_bars: int) -> float:
    """Average the similarity of bars over pairs."""
    onsets = [{int(q) for bar, q, _ in notes if bar == one} for one in range(num_bars)]
    found = [1 - len(one ^ other) / 16 for one, other in combinations(onsets, 2)]
    return float(np.mean(found)) if found and len(notes) else float("nan")


def longest_runs(
    notes: np.ndarray, training: list[np.ndarray], transposed: bool
) -> tuple[list[int], list[int]]:
    """Compare every run of a piece with every run of every training piece."""
    lengths, pieces = [0] * len(notes), [-1] * len(notes)

    def shapes(notes: np.ndarray, end: int) -> list[tuple]:
        """Give each run that ends with a note, from the shortest: waits and pitches."""
        times, pitches = 16 * notes[:, 0] + notes[:, 1], notes[:, 2]
        return [
            (
                tuple(times[first : end + 1] - times[first]),
                tuple(pitches[first : end + 1] - (pitches[first] if transposed else 0)),
            )
            for first in range(end, -1, -1)
        ]

    for number, piece in enumerate(training):
        known = {shape for end in range(len(piece)) for shape in shapes(piece, end)}
        for end in range(len(notes)):
            for shape in shapes(notes, end):
                if shape in known and len(shape[0]) > lengths[end]:
                    lengths[end], pieces[end] = len(shape[0]), number
    return lengths, pieces


def shared_bars(notes: np.ndarray, training: list[np.ndarray]) -> float:
    """Compare every bar with every bar."""

    def bars(notes: np.ndarray) -> list[set]:
        """Give bars as sets."""
        rows = notes.tolist()
        return [{(q, p) for bar, q, p in rows if bar == one} for one in {row[0] for row in rows}]

    known = [bar for piece in training for bar in bars(piece)]
    copied = [bar in known for bar in bars(notes) if len(bar) >= 4]
    return float(np.mean(copied)) if copied else float("nan")
