"""What can be counted in a piece of tokens: grammar, repetition, harmony, copying."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np

from toolkit.training.ngram import ngram_hashes

NGRAM = 8
OCTAVE = 12


@dataclass(frozen=True)
class Measures:
    """Measures of one piece, or their means over several.

    Attributes
    ----------
    tokens : how many, START and END apart
    valid : share of tokens that fit the grammar: ascending NOTEs or one REST, then one DUR
    ends : whether the piece ends by itself
    repeats : share of chords that strike the same pitches as the chord before
    loops : share of 8-token runs that have already occurred in the piece
    entropy : of the pitch classes in bits: 0 for one note, 2.81 for a scale, 3.58 for all twelve
    copied : share of 8-token runs, in whatever key, that are in the training pieces
    longest_copy : tokens of the longest run, in whatever key, that is in a training piece
    """

    tokens: float
    valid: float
    ends: float
    repeats: float
    loops: float
    entropy: float
    copied: float
    longest_copy: float


def measure(tokens: Sequence[str], seen: "SeenRuns") -> Measures:
    """Measure one piece, given as tokens with END if it ended by itself."""
    body = [token for token in tokens if token not in ("START", "END")]
    ids = np.array([_code(token) for token in body], np.int64)
    own = ngram_hashes(ids, NGRAM)
    runs = ngram_hashes(relative(body), NGRAM)
    chords = _chords(body)
    return Measures(
        tokens=len(body),
        valid=valid_share(body),
        ends=float(bool(tokens) and tokens[-1] == "END"),
        repeats=_share(sum(a == b for a, b in pairwise(chords)), len(chords) - 1),
        loops=_share(len(own) - len(np.unique(own)), len(own)),
        entropy=pitch_class_entropy(body),
        copied=_share(int(np.isin(runs, seen.runs(NGRAM)).sum()), len(runs)),
        longest_copy=seen.longest(relative(body)),
    )


def mean(pieces: Sequence[Measures]) -> Measures:
    """Average the measures of several pieces, each piece counting the same."""
    return Measures(*np.mean([list(vars(piece).values()) for piece in pieces], axis=0).tolist())


def valid_share(tokens: Sequence[str]) -> float:
    """Share of tokens that may stand where they do; after a wrong one its own rule goes on."""
    valid, before, highest = 0, "DUR", -1
    for token in tokens:
        kind, _, value = token.partition("_")
        if kind == "NOTE":
            fits = before == "DUR" or (before == "NOTE" and int(value) > highest)
            highest = int(value)
        elif kind == "REST":
            fits = before == "DUR"
        else:
            fits = kind == "DUR" and before in ("NOTE", "REST")
        valid += fits
        before = kind
    return _share(valid, len(tokens))


def pitch_class_entropy(tokens: Sequence[str]) -> float:
    """Entropy in bits of the notes' pitch classes, −Σ p log₂ p."""
    classes = Counter(int(t[5:]) % OCTAVE for t in tokens if t.startswith("NOTE_"))
    shares = np.array(list(classes.values()), float) / max(sum(classes.values()), 1)
    return float(-(shares * np.log2(shares)).sum())


def relative(tokens: Sequence[str]) -> np.ndarray:
    """Code tokens without their key: a note by its distance from the note before, int64."""
    pitches = np.array([int(t[5:]) if t.startswith("NOTE_") else -1 for t in tokens], np.int64)
    is_note = pitches >= 0
    codes = np.array([_code(token) for token in tokens], np.int64)
    notes = pitches[is_note]
    codes[is_note] = np.diff(notes, prepend=notes[:1])
    return codes


class SeenRuns:
    """The runs of tokens that are in the training pieces, in whatever key."""

    def __init__(self, pieces: Sequence[Sequence[str]]):
        # a code of its own between two pieces, so that no run crosses
        ends = (np.array([-(2**40) - index]) for index in range(len(pieces)))
        parts = [part for piece in pieces for part in (relative(piece), next(ends))]
        self.codes = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self._runs: dict[int, np.ndarray] = {}

    def runs(self, n: int) -> np.ndarray:
        """Hashes of the runs of n tokens, each once, in order."""
        if n not in self._runs:
            self._runs[n] = np.unique(ngram_hashes(self.codes, n))
        return self._runs[n]

    def longest(self, codes: np.ndarray) -> int:
        """Length of the longest run of `codes` that is among the training pieces'."""
        shortest, longest = 0, len(codes)
        while shortest < longest:
            middle = (shortest + longest + 1) // 2
            if np.isin(ngram_hashes(codes, middle), self.runs(middle)).any():
                shortest = middle
            else:
                longest = middle - 1
        return shortest


def _chords(tokens: Sequence[str]) -> list[tuple[str, ...]]:
    chords, notes = [], []
    for token in tokens:
        if token.startswith("NOTE_"):
            notes.append(token)
        elif token.startswith("DUR_"):
            if notes:
                chords.append(tuple(notes))
            notes = []
    return chords


def _code(token: str) -> int:
    """Number a token, the same in every run of Python."""
    return crc32(token.encode())


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
