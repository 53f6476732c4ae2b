"""What can be counted in a piece of tokens: grammar, repetition, harmony, copying."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np

from toolkit.music.copying import SeenRuns, repeated_share
from toolkit.music.measures import Measures, pitch_class_entropy

NGRAM = 8


@dataclass(frozen=True)
class TokenMeasures(Measures):
    """Measures of one piece of tokens, or their means over several.

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


def measure(tokens: Sequence[str], seen: SeenRuns) -> TokenMeasures:
    """Measure one piece, given as tokens with END if it ended by itself.

    `seen` holds the training pieces as `relative` codes them.
    """
    body = [token for token in tokens if token not in ("START", "END")]
    without_key = relative(body)
    chords = _chords(body)
    return TokenMeasures(
        tokens=len(body),
        valid=valid_share(body),
        ends=float(bool(tokens) and tokens[-1] == "END"),
        repeats=_share(sum(a == b for a, b in pairwise(chords)), len(chords) - 1),
        loops=repeated_share(np.array([_code(token) for token in body], np.int64), NGRAM),
        entropy=pitch_class_entropy(_pitches(body)),
        copied=seen.share(without_key, NGRAM),
        longest_copy=seen.longest(without_key),
    )


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


def relative(tokens: Sequence[str]) -> np.ndarray:
    """Code tokens without their key: a note by its distance from the note before, int64."""
    is_note = np.array([token.startswith("NOTE_") for token in tokens], bool)
    codes = np.array([_code(token) for token in tokens], np.int64)
    pitches = _pitches(tokens)
    codes[is_note] = np.diff(pitches, prepend=pitches[:1])
    return codes


def _pitches(tokens: Sequence[str]) -> np.ndarray:
    return np.array([int(token[5:]) for token in tokens if token.startswith("NOTE_")], int)


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
