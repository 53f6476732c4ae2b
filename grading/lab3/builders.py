"""What the worker builds or reads for Lab 3's checks; copied there alone."""

from fractions import Fraction
from typing import Any

import music21


def chorale(name: str, first: int, last: int, semitones: int = 0) -> music21.stream.Score:
    """Measures of a score in music21's corpus, "bach/bwv66.6", transposed."""
    score: Any = music21.corpus.parse(name, forceSource=True)
    excerpt = score.measures(first, last)
    return excerpt.transpose(semitones) if semitones else excerpt


def read_score(text: str) -> list[tuple[str, str, list[int]]] | None:
    """Read a score's MusicXML as `score_events` does; None if music21 cannot."""
    try:
        score: Any = music21.converter.parseData(text, format="musicxml")
        return score_events(score)
    except Exception:
        return None


def score_events(score: music21.stream.Score) -> list[tuple[str, str, list[int]]]:
    """Give (onset, length, pitches) of all that sounds, in order; fractions as text.

    A note that was written as several tied ones, because it did not fit its measure, is one.
    """
    events: list[tuple[str, str, list[int]]] = []
    for part in score.parts:
        for sound in part.stripTies().flatten().notes:
            pitches = sorted(pitch.midi for pitch in sound.pitches)
            onset, length = Fraction(sound.offset), Fraction(sound.quarterLength)
            events.append((str(onset), str(length), pitches))
    return events


def num_parts(score: music21.stream.Score) -> int:
    """How many parts a score has."""
    return len(score.parts)
