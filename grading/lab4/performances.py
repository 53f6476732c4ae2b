"""Hand-made performances as the arrays that cross, and what is demanded of those that come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    Difference,
    as_text,
    assert_array,
    assert_holds,
    assert_parts,
    int32,
    naming,
)
from grading.sandbox.proxy import Code

PAD, START, END = range(3)
WINDOWS = ("inputs", "targets")  # of crops and of windows
NOTE_ON, NOTE_OFF, TIME_SHIFT, VELOCITY, VOCAB_SIZE = 3, 131, 259, 359, 391


def notes(*rows: tuple) -> np.ndarray:
    """Notes of (pitch, velocity, start, end), then perhaps instrument, program, is_drum."""
    return np.array([(*row, *(0,) * (7 - len(row))) for row in rows], "f8").reshape(-1, 7)


def pedals(*rows: tuple) -> np.ndarray:
    """Pedal's moves of (time, value), then perhaps instrument and controller."""
    full = [(*row, *(0, 64)[len(row) - 2 :]) for row in rows]
    return np.array([(t, number, value, i) for t, value, i, number in full], "f8").reshape(-1, 4)


NO_PEDALS = pedals()


def ids_of(text: str) -> np.ndarray:
    """Spell ids: `on60 off60 wait100 loud20 end`; a number is itself."""
    first = {"on": NOTE_ON, "off": NOTE_OFF, "wait": TIME_SHIFT - 1, "loud": VELOCITY}
    named = {"pad": PAD, "start": START, "end": END}
    ids = []
    for word in text.split():
        kind = word.rstrip("0123456789")
        ids.append(named[word] if word in named else first[kind] + int(word[len(kind) :]))
    return np.array(ids, "i4")


def format_note(row: np.ndarray) -> str:
    """Say what a note is: `pitch 60, velocity 80, from 0.5 to 1`."""
    pitch, velocity, start, end, instrument, program, is_drum = row.tolist()
    text = f"pitch {pitch:g}, velocity {velocity:g}, from {start:g} to {end:g}"
    text += f", instrument {instrument:g}" * bool(instrument)
    text += f", program {program:g}" * bool(program)
    return text + ", a drum's" * bool(is_drum)


def format_move(row: np.ndarray) -> str:
    """Say what a pedal does: `pedal 127 at 0.2`."""
    time, controller, value, instrument = row.tolist()
    text = f"pedal {value:g} at {time:g}"
    text += f", instrument {instrument:g}" * bool(instrument)
    return text + f", controller {controller:g}" * (controller != 64)


def format_event(id: int) -> str:
    """Say what an id means: `NOTE_ON 60`, `TIME_SHIFT 100` (steps)."""
    if not 0 <= id < VOCAB_SIZE:
        return f"{id}, which is not an event"
    if id < NOTE_ON:
        return ("PAD", "START", "END")[id]
    kinds = {VELOCITY: "VELOCITY", TIME_SHIFT: "TIME_SHIFT", NOTE_OFF: "NOTE_OFF"}
    first = max(one for one in (NOTE_ON, *kinds) if one <= id)
    return f"{kinds.get(first, 'NOTE_ON')} {id - first + (first == TIME_SHIFT)}"


@contextmanager
def saying(what: str, *parts: str) -> Iterator[None]:
    """Say at the end of whatever fails here what it was asked of: "played", note by note."""
    try:
        yield
    except CheckFailed as failure:
        asked = "; ".join(parts)
        asked = asked if len(asked) <= 200 else f"{asked[:199]}…"
        failure.args = (f"{failure}\n{what}: {asked or 'nothing'}",)
        raise


def playing(played: np.ndarray, moves: np.ndarray) -> Any:
    """Say at the end of whatever fails here what was played."""
    return saying("played", *map(format_move, moves), *map(format_note, played))


def saying_events(ids: np.ndarray, what: str = "events") -> Any:
    """Say at the end of whatever fails here which events the ids are."""
    return saying(what, ", ".join(map(format_event, ids.tolist())))


def assert_ids(got: Any, want: np.ndarray) -> None:
    """Demand these ids, in an array; a message names the first event that differs."""
    ids = assert_array(got, (None,), "iu")
    shared = min(ids.size, want.size)
    place = next(iter(np.flatnonzero(ids[:shared] != want[:shared]).tolist()), shared)
    if place == ids.size == want.size:
        return
    one, other = (
        f"{format_event(int(part[place]))} (id {part[place]})" if place < part.size else "no more"
        for part in (want, ids)
    )
    before = ", ".join(format_event(int(id)) for id in want[max(place - 3, 0) : place])
    where = f"[{place}]{f', after {before}' * bool(before)}"
    message = f"at {where}: expected {one}, got {other}"
    if ids.size != want.size:
        raise CheckFailed("shape", f"{message} (expected {want.size} ids in all, got {ids.size})")
    raise CheckFailed("value", message, Difference(want, ids, ids != want))


def assert_notes(got: Any, want: np.ndarray, *, ordered: bool = False) -> None:
    """Demand these notes; unless `ordered`, in any order.

    Times are seconds in float64: two ways to one step differ by less than 1e-9.
    """
    rows = assert_array(got, (None, 7), "f")
    if not np.isfinite(rows).all():
        raise CheckFailed("finite", "a time is NaN or infinity")
    want = np.asarray(want)
    if not ordered:
        # by pitch first, so that a message compares two notes that should be one
        rows, want = (part[np.lexsort(part.round(6).T[::-1])] for part in (rows, want))
    for place, (one, other) in enumerate(zip(rows, want, strict=False)):
        if (np.abs(one - other) > 1e-9).any():
            message = f"expected {format_note(other)}; got {format_note(one)}"
            raise CheckFailed("value", f"note {place}: {message}" if ordered else message)
    left = [*(f"missing: {format_note(row)}" for row in want[len(rows) :])]
    left += [f"not expected: {format_note(row)}" for row in rows[len(want) :]]
    assert_holds(not left, f"expected {len(want)} notes, got {len(rows)}; {'; '.join(left[:1])}")


def unchanged(answer: Any, what: str) -> Any:
    """Demand (result, True): the argument is as it was."""
    result, same = assert_parts(answer, what, "whether the argument is as it was")
    assert_holds(same is True, "the sequence that was passed in was changed")
    return result


def two_arrays(answer: Any, shape: tuple) -> list[np.ndarray]:
    """Demand inputs and targets, int32."""
    found = []
    for name, one in zip(WINDOWS, assert_parts(answer, *WINDOWS), strict=True):
        with naming(name):
            found.append(int32(one, shape))
    return found


def corpus(*sizes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of so many tokens, all different, as they lie on disk; and where they begin."""
    return np.arange(3, 3 + sum(sizes), dtype="u2"), np.cumsum([0, *sizes])


def some_batches(
    code: Code,
    tokens: np.ndarray,
    offsets: np.ndarray,
    length: int,
    size: int,
    seed: int,
    count: int,
) -> list[list[np.ndarray]]:
    """Demand so many batches of `make_batches`."""
    named = {"length": length, "batch_size": size, "seed": seed}
    made = code.build("batches", tokens, offsets, **named, count=count)
    if type(made) is not list or len(made) != count:
        raise CheckFailed("type", f"expected {count} batches, got {as_text(made)}")
    return [two_arrays(batch, (size, length)) for batch in made]
