"""Random crops of a split of performances, in other keys and at other speeds."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from toolkit.data.corpus import Split
from toolkit.training.fit import EpochBatches


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
        self.mover = ThreadPoolExecutor(1)
        self.moved: dict[int, Future] = {}

    def start(self, epoch: int) -> None:
        """Move the pieces, and begin to draw crops, for `epoch` (from 0)."""
        # the next epoch's pieces are moved while this one is trained on: all of MAESTRO takes 2 s
        self.moved = {
            number: self.moved.get(number) or self.mover.submit(self._move, number)
            for number in (epoch, epoch + 1)
        }
        tokens, offsets, seed = self.moved[epoch].result()
        batch_size, length = self.shape
        self.drawn = self.tasks.make_batches(tokens, offsets, length, batch_size, seed)

    def _move(self, epoch: int) -> tuple[np.ndarray, np.ndarray, int]:
        rng = np.random.default_rng([self.seed, epoch])
        keys = rng.choice(self.semitones, len(self.split))
        speeds = rng.choice(self.stretches, len(self.split))
        pieces = [
            self.tasks.augment(self.split.piece(index), int(key), float(speed)).astype(np.uint16)
            for index, (key, speed) in enumerate(zip(keys, speeds, strict=True))
        ]
        offsets = np.cumsum([0, *map(len, pieces)])
        return np.concatenate(pieces), offsets, int(rng.integers(2**31))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the next batch; `fit` asks for them in their order."""
        return next(self.drawn)
