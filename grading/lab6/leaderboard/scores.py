"""What a student's pieces measure, beside the training set and real pieces that no model has seen.

The measures are the solution's of Lab 6, its intervals too; the grader holds no other part of it.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from grading.lab6.leaderboard.pieces import is_ended
from labs.course.catalogue import load_lab
from labs.lab6_language_models.data import load_splits
from labs.lab6_language_models.measure import (
    RUN,
    Excerpt,
    Reference,
    real_excerpts,
)
from labs.lab6_language_models.settings import PRESETS
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.copying import SeenRuns

NAMES = ("H1", "H4", "GS")
# a preset for each data set says which bars count, and how they are played
SETTINGS = {settings.data: settings for settings in PRESETS.values()}
MEASURES = ("pitch_class_entropy", "grooving_similarity", "copied_lengths", "bootstrap")


@dataclass(frozen=True)
class Interval:
    """A mean and its bounds: 95 % of bootstrap samples of the pieces lie between them."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What of one piece counts.

    Attributes
    ----------
    copied : share of its runs of `RUN` notes that a training piece holds, in whatever key
    longest, source : notes of the longest such run, and the training piece; 0 and "" without one
    """

    name: str
    bars: int
    notes: int
    ends: bool
    copied: float
    longest: int = 0
    source: str = ""


@dataclass(frozen=True)
class Score:
    """What some pieces measure.

    Attributes
    ----------
    means : of each of `NAMES`
    distance : mean distance of these to the training set's, in deviations of its single pieces
    copied, limit : mean share of copied runs, and above which pieces are called copies
    ends : share of pieces that close
    """

    pieces: tuple[Measured, ...]
    means: dict[str, Interval]
    distance: Interval
    copied: float
    limit: float
    ends: float

    @property
    def is_copy(self) -> bool:
        """Whether more is copied than as many real pieces share with the training set."""
        return self.copied > self.limit

    @property
    def worst(self) -> Measured:
        """The piece with the longest copied run."""
        return max(self.pieces, key=lambda one: one.longest)


class Board:
    """What pieces are measured against: a data set's training pieces, and how they are measured.

    Parameters
    ----------
    data : one of `SETTINGS`

    Attributes
    ----------
    settings : which bars of a piece count
    training, unseen : real pieces: those of training, and those that no model has seen

    Raises
    ------
    EtudeError
        If there is no such data set, or it is not here.
    """

    def __init__(self, data: str = "chorales"):
        if data not in SETTINGS:
            raise EtudeError(f"DATA={data}: choose one of {', '.join(SETTINGS)}")
        self.data, self.settings = data, SETTINGS[data]
        splits = load_splits(data)
        self.tasks = measures()
        self.reference = Reference(self.tasks, self.settings, splits["train"])
        self.seen = SeenRuns([codes(notes) for notes in self.reference.pieces])
        self.training = self.real(splits["train"])
        self.unseen = [*self.real(splits["validation"]), *self.real(splits["test"])]
        self.shares = np.array([self.copied(one.notes) for one in self.unseen])

    def real(self, split: Split) -> list[Excerpt]:
        """Cut real pieces, and tell which close as pieces that are handed in must."""
        wholes = [
            grid.decode(ids, bool((ids >= grid.VELOCITY).any()))[0]
            for ids in map(split.piece, range(len(split)))
        ]
        cuts = real_excerpts(split, self.settings)
        return [replace(one, ends=is_ended(rows)) for one, rows in zip(cuts, wholes, strict=True)]

    def copied(self, notes: np.ndarray) -> float:
        """Share of a piece's runs that a training piece holds: Lab 6's `copied_runs`, quicker."""
        return self.seen.share(codes(notes), RUN - 1)

    def measure(self, one: Excerpt) -> Measured:
        """Measure what a piece has copied."""
        found = Measured(one.name, one.bars, len(one.rows), one.ends, self.copied(one.notes))
        if not found.copied:
            return found
        lengths, pieces = self.tasks.copied_lengths(one.notes, self.reference.pieces, True)
        last = int(np.argmax(lengths))
        source = self.reference.names[int(pieces[last])]
        return replace(found, longest=int(lengths[last]), source=source)

    def distance(self, values: np.ndarray) -> float:
        """Mean of the distances of H1, H4 and GS, float (pieces, 3), in deviations of pieces."""
        far = np.abs(np.nanmean(values, axis=0) - self.reference.means)
        return float((far / np.maximum(self.reference.deviations, 1e-9)).mean())

    def training_means(self) -> dict[str, float]:
        """What pieces are compared with: means of the training pieces, and how many close."""
        ends = float(np.mean([one.ends for one in self.training]))
        return dict(zip((*NAMES, "ends"), (*map(float, self.reference.means), ends), strict=True))

    def score(self, excerpts: list[Excerpt], size: int | None = None) -> Score:
        """Measure pieces; `size` is how many there are in a draw for bounds, all unless told."""
        values = self.reference.measure(excerpts)
        pieces = tuple(map(self.measure, excerpts))

        def interval(column: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Interval:
            bounds = self.tasks.bootstrap(column, statistic, size)
            return Interval(float(statistic(column)), *bounds)

        return Score(
            pieces=pieces,
            means={name: interval(values[:, i], np.nanmean) for i, name in enumerate(NAMES)},
            distance=interval(values, self.distance),
            copied=float(np.mean([one.copied for one in pieces])),
            # what as many real pieces reach in 1 of 40 draws
            limit=self.tasks.bootstrap(self.shares, np.mean, size or len(pieces))[1],
            ends=float(np.mean([one.ends for one in pieces])),
        )


def codes(notes: np.ndarray) -> np.ndarray:
    """Number each note's distance from the note before, in steps and semitones: (notes - 1,)."""
    bar, position, pitch = notes.T
    return 256 * np.diff(grid.STEPS_PER_BAR * bar + position) + np.diff(pitch)


def measures() -> Any:
    """Load the solution's measures and not the rest of its file: that needs Keras."""
    path = load_lab(6).solution_file
    tree = ast.parse(path.read_text(encoding="utf-8"))

    def is_needed(node: ast.stmt) -> bool:
        if isinstance(node, ast.FunctionDef):
            return node.name in MEASURES
        return not isinstance(node, ast.ClassDef) and "keras" not in ast.unparse(node)

    tree.body = [node for node in tree.body if is_needed(node)]
    module = ModuleType("measures")
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module
