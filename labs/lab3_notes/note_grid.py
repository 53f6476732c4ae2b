"""Recorded notes as Lab 3's tokens, on a grid of 50 ms and without music21.

The tokens are those of a score: at every onset and end all sounding pitches in ascending order,
then the time until the next. A quarter note is taken to last half a second (120 a minute), so a
step of the grid is `DUR_1/10`. Velocity and pedal are left out.
"""

from fractions import Fraction

import numpy as np

from toolkit.music.midi import Notes
from toolkit.music.midi_reader import machine_code

STEPS_PER_SECOND = 20
STEPS_PER_QUARTER = 10
# The longest `DUR_q`; longer slices are shortened to it, 3.2 seconds.
LONGEST = 64

NUM_PITCHES = 128
REST = NUM_PITCHES
VOCABULARY = [
    *(f"NOTE_{pitch}" for pitch in range(NUM_PITCHES)),
    "REST",
    *(f"DUR_{Fraction(steps, STEPS_PER_QUARTER)}" for steps in range(1, LONGEST + 1)),
]


def encode_notes(notes: Notes) -> np.ndarray:
    """Encode notes as ids of `VOCABULARY`, uint16; drums are left out.

    A note begins and ends at the nearest step and lasts one at least.
    """
    pitched = ~notes.is_drum
    start = np.floor(notes.start[pitched] * STEPS_PER_SECOND + 0.5).astype(np.int64)
    end = np.floor(notes.end[pitched] * STEPS_PER_SECOND + 0.5).astype(np.int64)
    return _encode(start, np.maximum(end, start + 1), notes.pitch[pitched].astype(np.int64))


@machine_code
def _encode(start: np.ndarray, end: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    by_start, by_end = np.argsort(start), np.argsort(end)
    cuts = np.unique(np.concatenate((np.zeros(1, np.int64), start, end)))
    slices = np.searchsorted(cuts, end) - np.searchsorted(cuts, start)
    tokens = np.empty(slices.sum() + 2 * len(cuts), np.uint16)
    held = np.zeros(NUM_PITCHES, np.int64)
    begun = ended = count = 0
    for index in range(len(cuts) - 1):
        while ended < len(end) and end[by_end[ended]] == cuts[index]:
            held[pitch[by_end[ended]]] -= 1
            ended += 1
        while begun < len(start) and start[by_start[begun]] == cuts[index]:
            held[pitch[by_start[begun]]] += 1
            begun += 1
        before = count
        for sounding in range(NUM_PITCHES):
            if held[sounding]:
                tokens[count] = sounding
                count += 1
        if count == before:
            tokens[count] = REST
            count += 1
        tokens[count] = REST + min(cuts[index + 1] - cuts[index], LONGEST)
        count += 1
    return tokens[:count]
