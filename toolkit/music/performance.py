"""Notes to performance events, by note-seq's rules and at 150 times its speed.

The events are those of Oore et al., "This Time with Feeling" (2018), section 3, with the numbers
that `note_seq.PerformanceOneHotEncoding` gives them.
"""

from pathlib import Path

import numpy as np

from toolkit.errors import EtudeError
from toolkit.music.midi import Notes, read_notes
from toolkit.music.midi_reader import machine_code

STEPS_PER_SECOND = 100
MAX_SHIFT_STEPS = 100
BIN_SIZE = 4  # velocities in each of 32 bins
NOTE_ON, NOTE_OFF, TIME_SHIFT = 0, 128, 256
VELOCITY = TIME_SHIFT + MAX_SHIFT_STEPS
LAST_STEP = 2**31 - 1  # a step shares an int64 with a note's index


def encode_performance(notes: Notes) -> np.ndarray:
    """Encode notes as performance events, 100 steps a second and 32 velocities.

    Parameters
    ----------
    notes
        Of any number of instruments; all go into one stream. The pedal prolongs them, as
        `note_seq.apply_sustain_control_changes` does. Times are rounded to the nearest step, and
        no note is shorter than one.

    Returns
    -------
    events : uint16 array (events,)
        NOTE_ON 0-127, NOTE_OFF 128-255, TIME_SHIFT of 1 to 100 steps 256-355, VELOCITY 356-387.

    Raises
    ------
    EtudeError
        If a time is out of range (a piece has `LAST_STEP` steps at most).
    """
    end = notes.end
    limit = LAST_STEP / STEPS_PER_SECOND
    if not (
        np.all((notes.start >= 0) & (notes.start <= end) & (end < limit))
        and np.all((notes.pedal_time >= 0) & (notes.pedal_time < limit))
    ):
        raise EtudeError(
            f"A note or pedal event has a time outside 0 to {limit:,.0f} seconds, or a note ends "
            "before it starts: that is not a performance."
        )
    order = np.lexsort((notes.pitch, notes.start))
    if len(notes.pedal_time):
        end, kept = _sustained(notes, order)
        order = order[kept[order]]
    start, end = notes.start[order], end[order]
    start_step = (start * STEPS_PER_SECOND + 0.5).astype(np.int64)
    end_step = (end * STEPS_PER_SECOND + 0.5).astype(np.int64)
    end_step += end_step == start_step
    offsets = np.sort(end_step << 32 | np.arange(len(order)))
    return _events(start_step, offsets, notes.pitch[order], notes.velocity[order])


def encode_file(path: Path | str) -> np.ndarray:
    """Read a MIDI file and encode it."""
    return encode_performance(read_notes(path))


def _sustained(notes: Notes, by_start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prolong notes under the pedal: their new ends, and which notes are kept."""
    pedal_down = notes.pedal_value >= 64
    return _sustain(
        notes.pitch,
        notes.velocity,
        notes.start,
        notes.end,
        notes.instrument,
        notes.program,
        notes.is_drum,
        by_start,
        np.argsort(notes.end, kind="stable"),
        notes.pedal_time,
        pedal_down,
        notes.pedal_instrument,
        np.lexsort((~pedal_down, notes.pedal_time)),
    )


@machine_code
def _sustain(
    pitch,
    velocity,
    start,
    end,
    instrument,
    program,
    is_drum,
    by_start,
    by_end,
    pedal_time,
    pedal_down,
    pedal_instrument,
    by_pedal,
):
    """Walk through starts, ends and pedal events in time; at one time pedal down, up, start, end.

    Drum notes are left alone.
    """
    num_notes, num_pedals = pitch.size, pedal_time.size
    new_end = end.copy()
    kept = np.ones(num_notes, np.bool_)
    is_down = np.zeros(1 << 16, np.bool_)
    active = np.empty(num_notes, np.int64)  # notes that sound or are held by the pedal
    num_active, on, off, pedal = 0, 0, 0, 0
    time = 0.0
    while on < num_notes or off < num_notes or pedal < num_pedals:
        on_time = start[by_start[on]] if on < num_notes else np.inf
        off_time = end[by_end[off]] if off < num_notes else np.inf
        pedal_now = pedal_time[by_pedal[pedal]] if pedal < num_pedals else np.inf
        if pedal_now <= on_time and pedal_now <= off_time:
            event = by_pedal[pedal]
            pedal += 1
            time = pedal_now
            is_down[pedal_instrument[event]] = pedal_down[event]
            if not pedal_down[event]:
                remaining = 0
                for note in active[:num_active]:
                    if instrument[note] == pedal_instrument[event] and new_end[note] < time:
                        new_end[note] = time
                    else:
                        active[remaining] = note
                        remaining += 1
                num_active = remaining
        elif on_time <= off_time:
            begun = by_start[on]
            on += 1
            if is_drum[begun]:
                continue
            time = on_time
            if is_down[instrument[begun]]:
                remaining = 0
                for note in active[:num_active]:
                    if instrument[note] == instrument[begun] and pitch[note] == pitch[begun]:
                        new_end[note] = time
                        if start[note] == time:
                            _drop_one_like(
                                note, kept, pitch, velocity, start, new_end, instrument, program
                            )
                    else:
                        active[remaining] = note
                        remaining += 1
                num_active = remaining
            active[num_active] = begun
            num_active += 1
        else:
            ended = by_end[off]
            off += 1
            if is_drum[ended]:
                continue
            time = off_time
            if not is_down[instrument[ended]]:
                for place in range(num_active):
                    if active[place] == ended:
                        num_active -= 1
                        active[place] = active[num_active]
                        break
    for note in active[:num_active]:
        new_end[note] = time
    return new_end, kept


@machine_code
def _drop_one_like(note, kept, pitch, velocity, start, end, instrument, program):
    """Drop the first note equal to this one: note-seq removes by value."""
    for other in range(kept.size):
        if (
            kept[other]
            and start[other] == start[note]
            and end[other] == end[note]
            and pitch[other] == pitch[note]
            and velocity[other] == velocity[note]
            and instrument[other] == instrument[note]
            and program[other] == program[note]
        ):
            kept[other] = False
            return


@machine_code
def _events(start_step, offsets, pitch, velocity):
    """Merge onsets with offsets (`step << 32 | note`, sorted) and write the events."""
    num_notes = pitch.size
    last_step = (offsets[-1] >> 32) if num_notes else 0
    # a note has an onset, an offset, at most one velocity, and at most two rests before full ones
    events = np.empty(5 * num_notes + last_step // MAX_SHIFT_STEPS + 1, np.uint16)
    count, step, current_bin, on, off = 0, 0, 0, 0, 0
    while off < num_notes:
        is_onset = on < num_notes and (start_step[on] << 32 | on) <= offsets[off]
        next_step = start_step[on] if is_onset else offsets[off] >> 32
        while next_step > step:
            shift = min(next_step - step, MAX_SHIFT_STEPS)
            events[count] = TIME_SHIFT + shift - 1
            count += 1
            step += shift
        if is_onset:
            velocity_bin = (int(velocity[on]) - 1) // BIN_SIZE + 1
            if velocity_bin != current_bin:
                current_bin = velocity_bin
                events[count] = VELOCITY + velocity_bin - 1
                count += 1
            events[count] = NOTE_ON + pitch[on]
            count += 1
            on += 1
        else:
            events[count] = NOTE_OFF + pitch[offsets[off] & 0xFFFFFFFF]
            count += 1
            off += 1
    return events[:count].copy()
