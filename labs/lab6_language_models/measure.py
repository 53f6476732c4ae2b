"""Excerpts of pieces, generated or real, and what the table says of them.

Everything is measured on what follows the primer, on as many bars at most, real pieces too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labs.lab6_language_models.settings import Settings
from toolkit.data.corpus import Split
from toolkit.music import grid

RUN = 16  # notes; human music shares hardly any run as long
DRAWS = 1000


@dataclass(frozen=True)
class Excerpt:
    """Some bars of a piece.

    Attributes
    ----------
    name : the piece's
    rows : int array (notes, 5), as `grid.to_grid` gives them, counted from the excerpt's first bar
    bars : how many there are
    ends : whether the piece ended by itself
    """

    name: str
    rows: np.ndarray
    bars: int
    ends: bool = True

    @property
    def notes(self) -> np.ndarray:
        """What measures take: bar, position and pitch, int array (notes, 3)."""
        return self.rows[:, :3]


def excerpt(name: str, ids: np.ndarray, first: int = 0, most: int | None = None) -> Excerpt:
    """Cut the whole bars of a piece from bar `first` on, `most` at most."""
    rows, _ = grid.decode(ids, velocities=bool((ids >= grid.VELOCITY).any()))
    bars = max(int((ids == grid.BAR).sum()) - 1 - first, 0)
    bars = bars if most is None else min(bars, most)
    rows = rows[(rows[:, 0] >= first) & (rows[:, 0] < first + bars)]
    rows[:, 0] -= first
    return Excerpt(name, rows, bars, bool(ids[-1] == grid.END))


def real_excerpts(split: Split, settings: Settings) -> list[Excerpt]:
    """Cut each piece of a split from where primers end on."""
    return [
        excerpt(name, split.piece(index), settings.primer_bars, settings.bars)
        for index, name in enumerate(split.names)
    ]


@dataclass
class Group:
    """Pieces of one kind: a row of the table.

    Attributes
    ----------
    name : such as "LLaMA, greedy"
    excerpts : of the pieces
    nats : of the model on validation, a note; nan of what no model made
    ids : of the pieces whole, of what a model made
    values : float array (pieces, 3): H1, H4 and GS of each
    runs : float array (pieces,): share of runs of `RUN` notes, in whatever key, from training
    longest, source : notes of the longest such run, and the training piece it stands in
    copied_bars : share of bars
    delta, low, high : (3,) each: the distance of the mean to the training set's, and its bounds
    """

    name: str
    excerpts: list[Excerpt]
    nats: float = float("nan")
    ids: Sequence[np.ndarray] = ()
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    runs: np.ndarray = field(default_factory=lambda: np.zeros(0))
    longest: int = 0
    source: str = ""
    copied_bars: float = float("nan")
    delta: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    low: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    high: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))

    @property
    def means(self) -> list[float]:
        """Means of H1, H4 and GS."""
        return [mean(column) for column in self.values.T]

    @property
    def ends(self) -> float:
        """Share of pieces that end by themselves."""
        return float(np.mean([one.ends for one in self.excerpts]))

    @property
    def copied(self) -> float:
        """Mean share of copied runs; nan if all pieces are shorter than a run."""
        return mean(self.runs)


def mean(values: np.ndarray) -> float:
    """Average what is not nan; nan if nothing is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


class Reference:
    """The training set, that all is measured against.

    Parameters
    ----------
    excerpts : of all training pieces
    pieces : the training pieces whole, int arrays (notes, 3), and their names
    """

    def __init__(self, tasks: Any, settings: Settings, split: Split):
        self.tasks, self.seed = tasks, settings.seed
        self.excerpts = real_excerpts(split, settings)
        self.pieces = [excerpt("", split.piece(index)).notes for index in range(len(split))]
        self.names = split.names
        self.values = self.measure(self.excerpts)
        self.means = np.array([mean(column) for column in self.values.T])
        self.deviations = np.nanstd(self.values, axis=0)

    def measure(self, excerpts: Sequence[Excerpt]) -> np.ndarray:
        """Measure H1, H4 and GS of each: float (pieces, 3)."""
        rows = [
            (
                self.tasks.pitch_class_entropy(one.notes, one.bars, 1),
                self.tasks.pitch_class_entropy(one.notes, one.bars, 4),
                self.tasks.grooving_similarity(one.notes, one.bars),
            )
            if one.bars
            else (np.nan,) * 3
            for one in excerpts
        ]
        return np.array(rows, float).reshape(-1, 3)

    def judge(self, group: Group) -> Group:
        """Measure a group: closeness to the training set, with bounds, and copying from it."""
        group.values = self.measure(group.excerpts)
        self.set_delta(group, group.values)
        found = [self.copies(one.notes) for one in group.excerpts]
        group.runs = np.array([share for share, _, _ in found])
        _, group.longest, group.source = max(found, key=lambda one: one[1])
        group.copied_bars = self.tasks.copied_bars(in_one_line(group.excerpts), self.pieces)
        return group

    def set_delta(self, group: Group, values: np.ndarray, size: int | None = None) -> None:
        """Set a group's Δ, and the bounds between which it lies for pieces drawn again."""
        for column, reference in enumerate(self.means):
            known = values[:, column]

            def distance(drawn: np.ndarray, reference: float = reference) -> float:
                return abs(drawn.mean() - reference)

            group.delta[column] = abs(mean(group.values[:, column]) - reference)
            group.low[column], group.high[column] = self.tasks.bootstrap(
                known, distance, size, seed=self.seed
            )

    def copies(self, notes: np.ndarray) -> tuple[float, int, str]:
        """Find what a piece has copied, in whatever key: share of runs, longest run, from where."""
        lengths, pieces = self.tasks.copied_lengths(notes, self.pieces, True)
        share = self.tasks.copied_runs(notes, self.pieces, RUN, True)
        if not len(lengths):
            return share, 0, ""
        last = int(np.argmax(lengths))
        return share, int(lengths[last]), self.names[int(pieces[last])]

    def closeness(self, group: Group) -> float:
        """Mean of a group's Δ, each in deviations of training pieces."""
        return mean(group.delta / np.maximum(self.deviations, 1e-9))


def in_one_line(excerpts: Sequence[Excerpt]) -> np.ndarray:
    """Put pieces one after another, bar by bar: int array (notes, 3)."""
    before, parts = 0, []
    for one in excerpts:
        parts.append(one.notes + np.array([before, 0, 0]))
        before += one.bars
    return np.concatenate(parts) if parts else np.zeros((0, 3), int)


# What the measures see, and what not


def comparisons(
    reference: Reference, settings: Settings, held_out: list[Excerpt], others: list[Excerpt]
) -> list[Group]:
    """Make the rows above the models, measured.

    Parameters
    ----------
    held_out : real continuations of the primers
    others : all real pieces that no model has seen, for the bounds of Δ that music itself gets
    """
    rng = np.random.default_rng(settings.seed)
    training = Group("training set", reference.excerpts, values=reference.values)
    training.delta[:] = 0
    count = len(held_out)
    real = reference.judge(Group("real, held out", held_out))
    reference.set_delta(real, reference.measure(others), count)
    chosen = closest_pieces(reference, count, rng)
    return [
        training,
        real,
        reference.judge(Group("copies of training pieces", chosen)),
        reference.judge(Group("real bars shuffled", [shuffle_bars(one, rng) for one in held_out])),
        reference.judge(Group("pitches drawn anew", [draw_pitches(one, rng) for one in chosen])),
    ]


def closest_pieces(reference: Reference, count: int, rng: np.random.Generator) -> list[Excerpt]:
    """Choose training pieces whose means are nearest to the set's: the best of `DRAWS` draws."""
    usable = np.flatnonzero(~np.isnan(reference.values).any(axis=1))
    best: tuple[float, np.ndarray] = (np.inf, usable[:count])
    for _ in range(DRAWS):
        drawn = rng.choice(usable, min(count, len(usable)), replace=False)
        off = np.abs(reference.values[drawn].mean(axis=0) - reference.means)
        far = float((off / np.maximum(reference.deviations, 1e-9)).max())
        if far < best[0]:
            best = far, drawn
    return [reference.excerpts[index] for index in best[1]]


def shuffle_bars(one: Excerpt, rng: np.random.Generator) -> Excerpt:
    """Put a piece's bars in a random order."""
    rows = one.rows.copy()
    rows[:, 0] = rng.permutation(one.bars)[rows[:, 0]] if len(rows) else rows[:, 0]
    return Excerpt(one.name, in_order(rows), one.bars)


def draw_pitches(one: Excerpt, rng: np.random.Generator) -> Excerpt:
    """Keep a piece's rhythm, and draw each pitch from the piece's histogram."""
    rows = one.rows.copy()
    if len(rows):
        rows[:, 2] = rng.choice(rows[:, 2], len(rows))
    return Excerpt(one.name, in_order(rows), one.bars)


def in_order(rows: np.ndarray) -> np.ndarray:
    """Sort notes by bar, position and falling pitch."""
    return rows[np.lexsort([-rows[:, 2], rows[:, 1], rows[:, 0]])]


def self_similarity(one: Excerpt) -> np.ndarray:
    """Compare each bar with each: cosine of what starts where, (bars, bars); empty bars have 0."""
    cells = np.zeros((one.bars, grid.STEPS_PER_BAR, 12))
    np.add.at(cells, (one.rows[:, 0], one.rows[:, 1], one.rows[:, 2] % 12), 1)
    flat = cells.reshape(one.bars, -1)
    sizes = np.linalg.norm(flat, axis=1)
    return flat @ flat.T / np.maximum(np.outer(sizes, sizes), 1e-9)


def difference(
    tasks: Any, one: Group, other: Group, reference: Reference
) -> list[tuple[float, float, float]]:
    """Subtract the Δ of two models with the same primers: difference, low, high of each measure."""
    found = []
    for column, wanted in enumerate(reference.means):
        both = np.column_stack([one.values[:, column], other.values[:, column]])
        both = both[~np.isnan(both).any(axis=1)]

        def apart(drawn: np.ndarray, wanted: float = wanted) -> float:
            first, second = np.abs(drawn.mean(axis=0) - wanted)
            return float(first - second)

        if len(both):
            bounds = tasks.bootstrap(both, apart, seed=reference.seed)
            found.append((apart(both), *bounds))
        else:
            found.append((float("nan"),) * 3)
    return found
