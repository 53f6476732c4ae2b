"""Hand-made performances as the arrays that cross, and what is demanded of those that come back."""

from typing import Any

import numpy as np

from grading.checks import CheckFailed, assert_array, assert_holds, assert_parts, int32, spelled
from grading.proxy import Code

PAD, START, END = range(3)
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


def spelled_note(row: np.ndarray) -> str:
    """Say what a note is: `pitch 60, velocity 80, from 0.5 to 1`."""
    pitch, velocity, start, end, instrument, program, is_drum = row.tolist()
    text = f"pitch {pitch:g}, velocity {velocity:g}, from {start:g} to {end:g}"
    text += f", instrument {instrument:g}" * bool(instrument)
    text += f", program {program:g}" * bool(program)
    return text + ", a drum's" * bool(is_drum)


def assert_notes(got: Any, want: np.ndarray, *, ordered: bool = False) -> None:
    """Demand these notes; unless `ordered`, in any order.

    Times are seconds in float64: two ways to one step differ by less than 1e-9.
    """
    rows = assert_array(got, (None, 7), "f")
    if not np.isfinite(rows).all():
        raise CheckFailed("finite", "a time is NaN or infinity")
    want = np.asarray(want)
    if not ordered:
        rows, want = (part[np.lexsort(part.round(6).T)] for part in (rows, want))
    for one, other in zip(rows, want, strict=False):
        if (np.abs(one - other) > 1e-9).any():
            raise CheckFailed("value", f"expected {spelled_note(other)}; got {spelled_note(one)}")
    size = f"expected {len(want)} notes, got {len(rows)}"
    assert_holds(len(rows) == len(want), size)


def unchanged(answer: Any, what: str) -> Any:
    """Demand (result, True): the argument is as it was."""
    result, same = assert_parts(answer, what, "whether the argument is as it was")
    assert_holds(same is True, "the sequence that was passed in was changed")
    return result


def two_arrays(answer: Any, shape: tuple) -> list[np.ndarray]:
    """Demand inputs and targets, int32."""
    return [int32(one, shape) for one in assert_parts(answer, "inputs", "targets")]


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
        raise CheckFailed("type", f"expected {count} batches, got {spelled(made)}")
    return [two_arrays(batch, (size, length)) for batch in made]
