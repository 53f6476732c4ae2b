"""A small set of drum performances made by rule, for when Groove is not at hand."""

from typing import TYPE_CHECKING

import numpy as np

from toolkit.music.midi import import_note_seq

if TYPE_CHECKING:
    from note_seq import NoteSequence

BASS, SNARE, CLOSED, OPEN, CRASH, RIDE, HIGH_TOM, LOW_TOM = 36, 38, 42, 46, 49, 51, 50, 43
# sixteenths of a bar: style -> drum -> where it is struck
STYLES = {
    "rock": {BASS: (0, 8, 10), SNARE: (4, 12), CLOSED: (0, 2, 4, 6, 8, 10, 12, 14)},
    "disco": {BASS: (0, 4, 8, 12), SNARE: (4, 12), OPEN: (2, 6, 10, 14), CLOSED: (0, 4, 8, 12)},
    "funk": {BASS: (0, 3, 6, 10), SNARE: (4, 7, 9, 12, 15), CLOSED: tuple(range(16))},
    "bossa": {BASS: (0, 3, 8, 11), SNARE: (0, 3, 6, 10, 13), CLOSED: tuple(range(0, 16, 2))},
    "ride": {BASS: (0, 7, 8), SNARE: (4, 12), RIDE: (0, 3, 4, 7, 8, 11, 12, 15)},
}
SPLITS = {"train": 160, "validation": 20, "test": 20}
BARS = 16


def piece_names() -> list[str]:
    """Name all pieces: style, number and split."""
    styles = list(STYLES)
    return [
        f"{styles[number % len(styles)]}-{split}-{number:03d}"
        for split, count in SPLITS.items()
        for number in range(count)
    ]


def piece_split(name: str) -> str:
    """Say in which split a piece is."""
    return name.split("-")[1]


def perform_piece(name: str) -> "NoteSequence":
    """Drum a piece; the same name gives the same performance.

    Each piece has a tempo, a swing, and bars of its style with strokes left out or added; every
    fourth bar ends in a fill, a crash follows. Strokes are some milliseconds early or late, accents
    on the beat.
    """
    rng = np.random.default_rng([ord(letter) for letter in name])
    sixteenth = 60 / rng.uniform(80, 150) / 4
    swing = rng.uniform(0, 0.25) * sixteenth
    late = {drum: rng.normal(0, 0.006) for drum in (BASS, SNARE, CLOSED, OPEN, RIDE)}
    sequence = import_note_seq().NoteSequence(ticks_per_quarter=220)

    def strike(drum: int, place: int, loudness: float) -> None:
        time = place * sixteenth + swing * (place % 2) + late.get(drum, 0) + rng.normal(0, 0.004)
        start = max(time + 0.05, 0.0)
        sequence.notes.add(
            pitch=drum,
            velocity=int(np.clip(loudness + rng.normal(0, 5), 10, 127)),
            start_time=start,
            end_time=start + 0.1,
            is_drum=True,
            instrument=9,
        )

    for bar in range(BARS):
        fills = bar % 4 == 3
        if bar % 4 == 0:
            strike(CRASH, 16 * bar, 110)
        for drum, places in STYLES[name.split("-")[0]].items():
            for place in places:
                if rng.random() < 0.06 or (fills and place >= 12):
                    continue
                accent = 22 * (place % 4 == 0) + (14 if drum in (BASS, SNARE) else 0)
                strike(drum, 16 * bar + place, 62 + accent)
        if fills:
            toms = rng.choice([SNARE, HIGH_TOM, LOW_TOM], 4)
            for place, drum in enumerate(sorted(toms, reverse=True)):
                strike(int(drum), 16 * bar + 12 + place, 78 + 8 * place)
    sequence.total_time = max(note.end_time for note in sequence.notes)
    return sequence
