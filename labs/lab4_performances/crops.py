"""Splits of a prepared data set, and random crops of them in other keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.training import EpochBatches


@dataclass(frozen=True)
class Split:
    """Pieces of event ids, one after another.

    Attributes
    ----------
    tokens : uint16 array, memory-mapped; piece i is tokens[offsets[i]:offsets[i + 1]]
    offsets : int64 array (pieces + 1,)
    names : the pieces'
    """

    tokens: np.ndarray
    offsets: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def piece(self, index: int) -> np.ndarray:
        """Ids of a piece, int32."""
        return np.asarray(self.tokens[self.offsets[index] : self.offsets[index + 1]], np.int32)


class Crops(EpochBatches):
    """Random crops of a split whose pieces are transposed and stretched anew for each epoch.

    Parameters
    ----------
    tasks : the lab's functions: `augment` and `make_batches`
    split : the training pieces
    length, batch_size : of a batch
    batches : in an epoch
    seed : decides, with the epoch, keys, speeds and crops
    semitones, stretches : what a piece is moved by, one of each drawn evenly
    """

    def __init__(
        self,
        tasks: Any,
        split: Split,
        length: int,
        batch_size: int,
        batches: int,
        seed: int,
        semitones: tuple[int, ...],
        stretches: tuple[float, ...],
    ):
        super().__init__()
        self.tasks, self.split, self.shape, self.batches = (
            tasks,
            split,
            (batch_size, length),
            batches,
        )
        self.seed, self.semitones, self.stretches = seed, semitones, stretches
        self.drawn: Iterator[tuple[np.ndarray, np.ndarray]] = iter(())

    def start(self, epoch: int) -> None:
        """Move the pieces, and begin to draw crops, for `epoch` (from 0)."""
        rng = np.random.default_rng([self.seed, epoch])
        keys = rng.choice(self.semitones, len(self.split))
        speeds = rng.choice(self.stretches, len(self.split))
        pieces = [
            self.tasks.augment(self.split.piece(index), int(key), float(speed)).astype(np.uint16)
            for index, (key, speed) in enumerate(zip(keys, speeds, strict=True))
        ]
        offsets = np.cumsum([0, *map(len, pieces)])
        batch_size, length = self.shape
        self.drawn = self.tasks.make_batches(
            np.concatenate(pieces), offsets, length, batch_size, int(rng.integers(2**31))
        )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the next batch; `fit` asks for them in their order."""
        return next(self.drawn)
