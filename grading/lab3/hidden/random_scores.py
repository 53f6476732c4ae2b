"""Scores and tokens drawn at random, and what is right by definition."""

from fractions import Fraction

import numpy as np

from grading.lab3.scores import score
from grading.sandbox.worker.codec import MusicXML


def random_score(rng: np.random.Generator, num_parts: int, num_measures: int) -> MusicXML:
    """Draw a score in which parts share pitches, hold notes, rest, and tie over barlines."""
    rhythms = ["4", "2 2", "1 1 2", "3 1", "3/2 1/2 1 1", "1/3 1/3 1/3 1 2/3 4/3", "1/4 3/4 3"]
    parts = []
    for _ in range(num_parts):  # each begins and ends with a rest
        events: list[tuple[list[int] | None, str]] = []
        pitches: list[int] = []  # silence at first
        for _ in range(num_measures):
            for length in rhythms[rng.integers(len(rhythms))].split():
                size = rng.choice([0, 1, 2, 3], p=[0.15, 0.35, 0.3, 0.2])
                if events and rng.random() < 0.7:  # else what was there sounds again
                    pitches = sorted(rng.choice(range(57, 64), size, replace=False).tolist())
                events.append((pitches, length))
            events.append((None, "|"))
        events[-2] = [], events[-2][1]
        parts.append(tied(rng, events[:-1]))
    return score(*parts)


def tied(rng: np.random.Generator, events: list[tuple[list[int] | None, str]]) -> str:
    """Spell events; of the pitches that come twice in a row none, some or all are tied."""
    texts: list[str] = []
    open_ties: set[int] = set()
    sounding = [pitches for pitches, _ in events if pitches is not None]
    place = 0
    for pitches, length in events:
        if pitches is None:
            texts.append("|")
            continue
        place += 1
        following = sounding[place] if place < len(sounding) else []
        share = rng.choice([0, 0.5, 1])
        begun = {pitch for pitch in pitches if pitch in following and rng.random() < share}
        members = [f"{'~' * (p in open_ties)}{p}{'~' * (p in begun)}" for p in pitches]
        texts.append(f"{'+'.join(members) or 'r'}:{length}")
        open_ties = begun
    return " ".join(texts)


def random_tokens(rng: np.random.Generator, num_events: int) -> list[str]:
    """Draw well-formed tokens: no two rests in a row, none at the end."""
    lengths = ["1/4", "1/3", "1/2", "2/3", "3/4", "1", "3/2", "2", "3", "4", "6"]
    tokens: list[str] = []
    for left in reversed(range(num_events)):
        resting = left and tokens[-2:-1] != ["REST"] and rng.random() < 0.15
        size = 0 if resting else rng.integers(1, 5)
        pitches = sorted(rng.choice(range(36, 85), size, replace=False))
        tokens += [f"NOTE_{pitch}" for pitch in pitches] or ["REST"]
        tokens.append(f"DUR_{lengths[rng.integers(len(lengths))]}")
    return tokens


def encode_events(events: list[tuple[str, str, list[int]]]) -> list[str]:
    """Spell what sounds as `score_to_tokens` does; where it overlaps, a rest below nothing."""
    tokens, now = [], Fraction(0)
    for onset, length, pitches in events:
        if Fraction(onset) != now:
            tokens += ["REST", f"DUR_{Fraction(onset) - now}"]
        tokens += [f"NOTE_{pitch}" for pitch in pitches] + [f"DUR_{length}"]
        now = Fraction(onset) + Fraction(length)
    return tokens
