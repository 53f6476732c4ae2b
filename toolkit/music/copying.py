"""Runs of a piece that are in the training pieces, or that the piece itself repeats."""

from collections.abc import Sequence

import numpy as np


class SeenRuns:
    """The runs of codes that are in the training pieces.

    Parameters
    ----------
    pieces : integers (length,) each; where they leave the key out, such as distances between
        pitches, a copy is found in whatever key
    """

    def __init__(self, pieces: Sequence[np.ndarray]):
        # a code of its own between two pieces, so that no run crosses
        ends = (np.array([-(2**40) - index]) for index in range(len(pieces)))
        parts = [part for piece in pieces for part in (piece, next(ends))]
        self.codes = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self._runs: dict[int, np.ndarray] = {}

    def runs(self, n: int) -> np.ndarray:
        """Hashes of the runs of n codes, each once, in order."""
        if n not in self._runs:
            self._runs[n] = np.unique(ngram_hashes(self.codes, n))
        return self._runs[n]

    def have(self, codes: np.ndarray, n: int) -> np.ndarray:
        """Say of each run of n codes of a piece whether it is among them: bool (len − n + 1,)."""
        hashes, runs = ngram_hashes(codes, n), self.runs(n)
        if not len(runs):
            return np.zeros(len(hashes), bool)
        # they are in order: `np.isin` would sort them for each piece
        return runs[np.minimum(np.searchsorted(runs, hashes), len(runs) - 1)] == hashes

    def share(self, codes: np.ndarray, n: int) -> float:
        """Share of a piece's runs of n codes that are among them; 0 of a piece that is shorter."""
        found = self.have(codes, n)
        return float(found.mean()) if len(found) else 0.0

    def longest(self, codes: np.ndarray) -> int:
        """Length of the longest run of `codes` that is in one of the training pieces."""
        shortest, longest = 0, len(codes)
        while shortest < longest:
            middle = (shortest + longest + 1) // 2
            if self.have(codes, middle).any():
                shortest = middle
            else:
                longest = middle - 1
        return shortest


def repeated_share(codes: np.ndarray, n: int) -> float:
    """Share of a piece's runs of n codes that have already occurred in it."""
    hashes = ngram_hashes(codes, n)
    return (len(hashes) - len(np.unique(hashes))) / len(hashes) if len(hashes) else 0.0


def ngram_hashes(sequence: np.ndarray, n: int) -> np.ndarray:
    """Hash every n-gram of a sequence of integers: uint64 (len − n + 1,), by repeated doubling.

    Equal n-grams have equal hashes; that two others agree has odds of about 2**-64 a pair.
    """
    length = len(sequence) - n + 1
    if length < 1:
        return np.zeros(0, np.uint64)
    power = _mix(sequence)  # hashes of the 2**i-grams
    result, covered, width, rest = None, 0, 1, n
    while rest:
        if rest & 1:
            part = power[covered : covered + length]
            result = part if result is None else _mix(result + _mix(part))
            covered += width
        rest >>= 1
        if rest:
            power = _mix(power[: len(power) - width] + _mix(power[width:]))
            width *= 2
    assert result is not None
    return result


def _mix(values: np.ndarray) -> np.ndarray:
    """Scatter integers over 64 bits (splitmix64's finaliser)."""
    mixed = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
