"""Scores of music21's corpus as somebody might play them: phrased in tempo and loudness, pedalled.

No recording comes with the Python packages, so the embedded set is made by rule: Bach's four-part
chorales, which organists and pianists play from the score, and the corpus's pieces for piano.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from toolkit.music.chorales import load_chorale, score_names, split_of
from toolkit.music.midi import import_note_seq

if TYPE_CHECKING:
    from note_seq import NoteSequence

PIANO_PIECES = (
    "chopin/mazurka06-2",
    "cpebach/h186",
    "joplin/maple_leaf_rag",
    "mozart/k545/movement1_exposition",
    "schoenberg/opus19/movement2",
    "schoenberg/opus19/movement6",
    *(f"schumann_clara/polonaise_op1n{number}" for number in (1, 2, 3, 4)),
)
PHRASE = 8.0  # quarter notes, where a score marks no fermata
GRID = 0.25  # quarter notes for which the tempo is constant


def piece_names() -> list[str]:
    """Name all pieces: scores by Bach, those in four parts among them are used, and for piano."""
    return [*score_names(), *PIANO_PIECES]


def piece_split(name: str) -> str:
    """Say in which split a piece is: the chorales' own split; piano pieces are for training."""
    return "train" if name in PIANO_PIECES else split_of(name)


def perform_piece(name: str) -> "NoteSequence | None":
    """Load a piece and play it; None if it is a score by Bach that is not in four parts."""
    if name not in PIANO_PIECES:
        score = load_chorale(name)
        return None if score is None else perform(score, name)
    import music21

    return perform(music21.corpus.parse(name, forceSource=True), name)


def perform(score: Any, name: str) -> "NoteSequence":
    """Play a score; the same name gives the same performance.

    Phrases end at fermatas, or every `PHRASE` quarter notes. Within one, tempo and loudness rise
    and fall like an arch, and the end slows down (Todd, "The dynamics of dynamics", 1992). The
    highest note of a chord is louder and some 15 ms ahead of the others (Goebl, "Melody lead in
    piano performance", 2001). The pedal is changed with each quarter note.

    Parameters
    ----------
    score : music21 Score
    name : decides tempo (66 to 120 quarter notes a minute), loudness and the player's inaccuracy
    """
    rng = np.random.default_rng(crc32(name.encode()))
    pace, loudness = rng.uniform(66, 120), rng.uniform(52, 76)
    notes, fermatas = _notes(score)
    length = max((start + duration for start, duration, _, _ in notes), default=0.0)
    bounds = _phrases(fermatas, length)
    seconds = _clock(bounds, fermatas, pace, length)
    highest: dict[float, int] = {}
    for start, _, pitch, _ in notes:
        highest[start] = max(pitch, highest.get(start, 0))

    sequence = import_note_seq().NoteSequence(ticks_per_quarter=220)
    for start, duration, pitch, accent in notes:
        is_melody = pitch == highest[start]
        arch = math.sin(math.pi * _place(bounds, start))
        velocity = loudness + 18 * arch + 9 * is_melody + 6 * accent + rng.normal(0, 3)
        on = seconds(start) + (0.0 if is_melody else 0.015) + abs(rng.normal(0, 0.008))
        off = seconds(start + duration * rng.uniform(0.88, 1.0))
        sequence.notes.add(
            pitch=pitch,
            velocity=int(np.clip(velocity, 15, 120)),
            start_time=on,
            end_time=max(off, on + 0.05),
        )
    for beat in range(math.ceil(length)):
        for time, value in ((beat + 0.12, 127), (beat + 0.97, 0)):
            sequence.control_changes.add(time=seconds(time), control_number=64, control_value=value)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)
    return sequence


def _notes(score: Any) -> tuple[list[tuple[float, float, int, bool]], list[float]]:
    """List (start, duration, pitch, on a downbeat), in quarter notes, and the fermatas' ends."""
    notes, fermatas = set(), set()
    bars = {float(bar.offset) for bar in score.parts[0].getElementsByClass("Measure")}
    for element in score.stripTies().flatten().notes:
        start, duration = float(element.offset), float(element.quarterLength)
        if duration <= 0:
            continue  # a grace note, or a chord symbol
        notes |= {(start, duration, pitch.midi, start in bars) for pitch in element.pitches}
        if any("Fermata" in type(sign).__name__ for sign in element.expressions):
            fermatas.add(start + duration)
    return sorted(notes), sorted(fermatas)


def _phrases(fermatas: Sequence[float], length: float) -> np.ndarray:
    """Where phrases begin and end, in quarter notes, from 0."""
    ends = list(fermatas) or np.arange(PHRASE, length, PHRASE).tolist()
    inner = [end for end in ends if 1 <= end < length - 1]
    return np.array([0.0, *inner, max(length, 1.0)])


def _place(bounds: np.ndarray, time: float) -> float:
    """How far into its phrase a time is, from 0 to 1."""
    phrase = min(int(np.searchsorted(bounds, time, side="right")), len(bounds) - 1)
    begin, end = bounds[phrase - 1], bounds[phrase]
    return float(np.clip((time - begin) / (end - begin), 0, 1))


def _clock(bounds: np.ndarray, fermatas: Sequence[float], pace: float, length: float) -> Any:
    """Return a function from quarter notes to seconds."""
    times = np.arange(0, length + 2, GRID)
    places = np.array([_place(bounds, time) for time in times])
    tempo = pace * (1 + 0.08 * np.sin(np.pi * places) - 0.22 * places**8)
    for end in fermatas:
        tempo[(times >= end - 1) & (times < end)] *= 0.62
    after = np.concatenate([[0], np.cumsum(60 * GRID / tempo)])
    grid = np.append(times, times[-1] + GRID)
    return lambda time: float(np.interp(time, grid, after)) + 0.3
