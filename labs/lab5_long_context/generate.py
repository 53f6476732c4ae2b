"""Songs: primers, generation until the end, time taken; and what they sound like."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labs.lab5_long_context.data import Words
from labs.lab5_long_context.settings import Settings
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.music.piece import Piece, read_piece
from toolkit.music.remi import AUTHORS
from toolkit.training.runtime import compiled

SLOTS = 512  # steps until what was generated joins the memory; a program is compiled for each


@dataclass(frozen=True)
class Song:
    """A generated song.

    Attributes
    ----------
    ids : the primer's without START first; words (length,), or rows (length, 7)
    made : how many of them were generated
    ended : whether it ended by itself
    seconds : that generation took
    """

    ids: np.ndarray
    made: int
    ended: bool
    seconds: float


def generate_songs(
    tasks: Any,
    settings: Settings,
    inner: Any,
    words: Words,
    primer: np.ndarray,
    songs: int,
) -> list[Song]:
    """Generate songs one by one from one primer (only START: from nothing), as the source does.

    A song ends by itself, or when it has as many steps as `max_notes` notes take on average. The
    program is compiled before the first.
    """
    split, notes = words.splits["train"], words.notes["train"]
    steps = round(settings.max_notes * (split.offsets[-1] - split.offsets[0]) / max(notes.sum(), 1))
    fields = len(words.sizes)
    options = ((settings.temperature,) * fields, (settings.top_p,) * fields)

    def generate(primers: Any, noise: Any) -> Any:
        return tasks.generate(
            inner, primers, noise, *options, slots=SLOTS if fields == 1 else steps
        )

    program = compiled(generate, inner)
    shape = (1, steps, sum(words.sizes))
    ends_at_once = np.zeros(shape, np.float32)
    ends_at_once[..., sum(words.sizes[: tasks.TYPE]) if fields > 1 else 0] = 1e30
    program(primer[None], ends_at_once)
    made = []
    for number in range(songs):
        rng = np.random.default_rng([settings.seed, len(primer), number])
        noise = rng.gumbel(size=shape).astype(np.float32)
        begin = time.perf_counter()
        row = program(primer[None], noise)[0]
        seconds = time.perf_counter() - begin
        ends = np.flatnonzero((row if fields == 1 else row[:, tasks.TYPE]) == tasks.END_ID)
        length = int(ends[0]) + 1 if len(ends) else steps
        ids = np.concatenate([primer[1:], row[:length]])
        made.append(Song(ids, length, bool(len(ends)), seconds))
    return made


def read_primer(path: str) -> Piece:
    """Read a MIDI file to go on from.

    Raises
    ------
    EtudeError
        As `read_piece`.
    """
    found = read_piece(path)
    tempi = found.tempi[:, 1]
    low, high = AUTHORS.tempi[0], AUTHORS.tempi[-1]
    if beyond := [bpm for bpm in tempi.tolist() if not low <= bpm <= high]:
        console.warn(
            f"{path}: a tempo of {beyond[0]:.0f} beats a minute is encoded as the nearest from "
            f"{low} to {high}"
        )
    return found


def start(tasks: Any, words: Words) -> np.ndarray:
    """Give the primer of nothing: START."""
    shape = (1,) if len(words.sizes) == 1 else (1, len(words.sizes))
    return np.full(shape, tasks.START_ID, np.int32)


def bar_places(tasks: Any, words: Words, ids: np.ndarray) -> np.ndarray:
    """Find where bars begin among ids or rows; what comes last is the bar before the end."""
    if words.name == "REMI":
        return np.flatnonzero(ids == words.spelling.ids[tasks.BAR])
    bar = tasks.COMPOUND["bar-beat"].index("Bar")
    return np.flatnonzero((ids[:, tasks.TYPE] == tasks.METRICAL) & (ids[:, tasks.BAR_BEAT] == bar))


def cut_primer(
    tasks: Any, words: Words, ids: np.ndarray, bars: Sequence[int]
) -> tuple[np.ndarray, int]:
    """Take the bars `bars[0]` to `bars[1]`, from 1, of an encoded piece, after START.

    Returns
    -------
    primer : int32, ids or rows
    seam : tick at which it is over

    Raises
    ------
    EtudeError
        If the piece has no such bar.
    """
    places = bar_places(tasks, words, ids)
    first, last = bars
    if first > len(places) - 1:
        raise EtudeError(
            f"the primer has {len(places) - 1} bars, and primer_bars asks for {first} to {last}: "
            "give bars that it has"
        )
    last = min(last, len(places) - 1)
    part = ids[places[first - 1] : places[last]]
    return np.concatenate([start(tasks, words), part]).astype(np.int32), (
        last - first + 1
    ) * tasks.BAR_TICKS
