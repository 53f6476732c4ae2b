"""Notes on the grid of sixteenths: rows of numbers, and their ids, REMI without chords and tempi.

Ids are arithmetic: `PITCH` + 60 is the pitch 60. PAD, START and END come before them.
"""

import numpy as np

from toolkit.music.piece import TICKS_PER_BEAT, Piece

STEP = TICKS_PER_BEAT // 4  # ticks
STEPS_PER_BAR = 16
END, BAR, POSITION, PITCH = 2, 3, 4, 20
DURATION = PITCH + 128 - 1  # + steps, 1 to 16
VELOCITY = DURATION + 1 + STEPS_PER_BAR  # + velocity // 4
# where each kind of id begins, END's first
_KINDS = np.array([END, BAR, POSITION, PITCH, DURATION + 1, VELOCITY])
_END, _BAR, _POSITION, _PITCH, _DURATION, _VELOCITY = range(6)


def vocab_size(velocities: bool) -> int:
    """Count the ids of pieces whose notes have a velocity, or have none."""
    return VELOCITY + 32 * velocities


def to_grid(piece: Piece) -> np.ndarray:
    """Round a piece's notes to the grid: int array (notes, 5), by bar, position, falling pitch.

    Columns are bar, position (0 to 15), pitch, duration (1 to 16 steps) and velocity. Starts and
    durations go to the nearest step of 120 ticks, a half to the even one. The first note is in bar
    0.
    """
    start, end, pitch, velocity = piece.notes.T
    step = np.round(start / STEP).astype(int)
    duration = np.clip(np.round((end - start) / STEP), 1, STEPS_PER_BAR).astype(int)
    order = np.lexsort([-pitch, step])
    step -= step[order[:1]] // STEPS_PER_BAR * STEPS_PER_BAR
    columns = [step // STEPS_PER_BAR, step % STEPS_PER_BAR, pitch, duration, velocity]
    return np.column_stack(columns)[order]


def encode(rows: np.ndarray, velocities: bool) -> np.ndarray:
    """Encode a piece: uint16 ids, `BAR` before each bar, the position once a step, `END` last.

    A note is its pitch, its duration and, with `velocities`, its velocity. Before END stands a
    last BAR.

    Source: Huang and Yang, "Pop Music Transformer" (2020), section 3; the words are those of Lab
    5's REMI.
    """
    bar, position, pitch, duration, velocity = rows.T
    parts = [PITCH + pitch, DURATION + duration, VELOCITY + velocity // 4][: 2 + velocities]
    is_new = np.diff(STEPS_PER_BAR * bar + position, prepend=-1) > 0
    after = np.cumsum(np.diff(bar, prepend=-1) + is_new + len(parts))  # each note's last id
    ids = np.full(after.max(initial=0) + 2, BAR, np.uint16)
    ids[(after - len(parts) - 1)[is_new]] = POSITION + position[is_new]
    for place, part in enumerate(parts):
        ids[after - len(parts) + place] = part
    ids[-1] = END
    return ids


def decode(ids: np.ndarray, velocities: bool) -> tuple[np.ndarray, int]:
    """Read ids up to END as rows of the grid, whatever they are; also count what makes no sense.

    A note counts where its ids follow each other and a position of its bar stands before, none
    earlier than the last. Without velocities it is 64.
    """
    rows: list[tuple[int, ...]] = []
    note: list[int] = []
    broken, bar, position = 0, -1, -1
    wanted = (_DURATION, _VELOCITY)[: 1 + velocities]
    for id, kind in zip(ids.tolist(), kinds(ids).tolist(), strict=True):
        if note and kind == wanted[len(note) - 1]:
            note.append(id)
            if len(note) > len(wanted):
                velocity = 4 * (note[2] - VELOCITY) + 2 if velocities else 64
                rows.append((bar, position, note[0] - PITCH, note[1] - DURATION, velocity))
                note = []
            continue
        broken += len(note)
        note = []
        if kind == _END:
            break
        if kind == _BAR:
            bar, position = bar + 1, -1
        elif kind == _POSITION and bar >= 0 and id - POSITION >= position:
            position = id - POSITION
        elif kind == _PITCH and position >= 0:
            note = [id]
        else:
            broken += 1
    return np.array(rows, int).reshape(-1, 5), broken + len(note)


def kinds(ids: np.ndarray) -> np.ndarray:
    """Tell kinds of ids apart: -1 for PAD and START, 0 for END, 1 for BAR, and so on."""
    return np.searchsorted(_KINDS, ids, side="right") - 1


def count_notes(ids: np.ndarray) -> int:
    """Count the pitches among ids."""
    return int((kinds(ids) == _PITCH).sum())


def transpose(ids: np.ndarray, semitones: int) -> np.ndarray:
    """Move all pitches by so many semitones, as far as they stay between 0 and 127."""
    moved = PITCH + np.clip(ids.astype(int) - PITCH + semitones, 0, 127)
    return np.where(kinds(ids) == _PITCH, moved, ids)


def to_piece(rows: np.ndarray, tempo: float) -> Piece:
    """Make of rows of the grid a piece in beats, at so many a minute.

    A key that is struck again ends its note; struck twice at once it sounds once.
    """
    bar, position, pitch, duration, velocity = rows.T
    start = STEPS_PER_BAR * bar + position
    order = np.lexsort([duration, start, pitch])
    again = np.where(np.diff(pitch[order]) == 0, np.diff(start[order]), duration.max(initial=0))
    lasts = duration.copy()
    lasts[order[:-1]] = np.minimum(duration[order[:-1]], again)
    notes = np.column_stack([STEP * start, STEP * (start + lasts), pitch, velocity])
    return Piece(notes[lasts > 0], np.array([[0.0, tempo]]))
