"""Continuing the same held-out primers with each model, by each way of decoding."""

import warnings
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from labs.lab6_language_models.data import VELOCITIES
from labs.lab6_language_models.settings import Settings
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.piece import read_piece
from toolkit.training.runtime import compiled


@dataclass(frozen=True)
class Primers:
    """Beginnings of pieces, all of as many ids.

    Attributes
    ----------
    ids : int32 array (primers, length), START first
    names : the pieces'
    pieces : their ids, whole; for a primer that was given, as much as there is
    """

    ids: np.ndarray
    names: list[str]
    pieces: list[np.ndarray]

    @property
    def bars(self) -> list[int]:
        """Bars that each has begun: what is generated counts from the next bar line on."""
        return (self.ids == grid.BAR).sum(axis=1).tolist()


def choose_primers(tasks: Any, settings: Settings, split: Split) -> Primers:
    """Cut primers of `primer_bars` bars or a little more, so that all have as many ids.

    Those pieces are taken whose first bars are about as long as most.

    Raises
    ------
    EtudeError
        If there are too few pieces that are longer.
    """
    pieces = [split.piece(index) for index in range(len(split))]
    found = [np.flatnonzero(piece == grid.BAR) for piece in pieces]
    lengths = {
        index: int(lines[settings.primer_bars])
        for index, lines in enumerate(found)
        if len(lines) > settings.primer_bars + 2
    }
    if len(lengths) < settings.primers:
        raise EtudeError(
            f"primers {settings.primers}: only {len(lengths)} held-out pieces are longer than "
            f"{settings.primer_bars} bars: give fewer, or lower primer_bars"
        )
    usual = np.median(list(lengths.values()))
    chosen = sorted(
        sorted(lengths, key=lambda index: abs(lengths[index] - usual))[: settings.primers]
    )
    length = max(lengths[index] for index in chosen)
    return cut_primers(
        tasks, settings, [pieces[i] for i in chosen], length, [split.names[i] for i in chosen]
    )


def read_primer(tasks: Any, settings: Settings) -> Primers:
    """Cut a primer from a MIDI file: its first `primer_bars` bars.

    Raises
    ------
    EtudeError
        If the file cannot be read, is not in 4/4, or has no notes.
    """
    assert settings.primer is not None
    rows = grid.to_grid(read_piece(settings.primer))
    ids = grid.encode(rows[rows[:, 0] < settings.primer_bars], VELOCITIES[settings.data])[:-2]
    return cut_primers(tasks, settings, [ids], len(ids), [settings.primer])


def cut_primers(
    tasks: Any, settings: Settings, pieces: list[np.ndarray], length: int, names: list[str]
) -> Primers:
    """Cut the first `length` ids of each piece.

    Raises
    ------
    EtudeError
        If they leave no room.
    """
    if length + 2 > settings.context:
        raise EtudeError(
            f"{settings.primer_bars} bars are {length} tokens, and the context of "
            f"{settings.context} leaves no room after them: lower primer_bars"
        )
    ids = [np.concatenate([[tasks.START], piece[:length]]) for piece in pieces]
    return Primers(np.stack(ids).astype(np.int32), names, pieces)


def decodings(settings: Settings) -> tuple[str, ...]:
    """Name the ways of decoding."""
    return "greedy", f"top-p {settings.top_p:g}", f"beam {settings.num_beams}"


def generate_pieces(
    tasks: Any, settings: Settings, model: keras.Model, primers: Primers
) -> dict[str, list[np.ndarray]]:
    """Continue each primer until END, or as long as there are positions.

    Returns
    -------
    dict: decoding -> int32 arrays, the primer without START, and what comes after
    """
    steps = settings.context - primers.ids.shape[1]
    greedy, sampled, beam = decodings(settings)
    shape = (len(primers.ids), steps, model.embedding.input_dim)
    luck = np.random.default_rng(settings.seed).gumbel(size=shape).astype(np.float32)

    def by_noise(ids: Any, noise: Any) -> Any:
        return tasks.generate(
            model, ids, noise, settings.temperature, 0, settings.top_p, settings.slots
        )

    def by_beams(ids: Any) -> Any:
        return tasks.beam_search(
            model, ids, steps, settings.num_beams, settings.alpha, settings.slots
        )[0]

    draw, search = compiled(by_noise, model), compiled(by_beams, model)
    with warnings.catch_warnings():
        # Keras warns of a softmax over one position
        warnings.simplefilter("ignore", UserWarning)
        found = {
            greedy: draw(primers.ids, np.zeros_like(luck)),
            sampled: draw(primers.ids, luck),
            beam: search(primers.ids),
        }
    return {
        name: [
            np.concatenate([primer[1:], row[row != tasks.PAD]])
            for primer, row in zip(primers.ids, rows, strict=True)
        ]
        for name, rows in found.items()
    }
