"""Building and training the networks: what they read, keep between batches, and minimise."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.lab5_long_context.data import Words
from labs.lab5_long_context.settings import Network, Settings
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.training.fit import EpochBatches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

# widths of the seven fields' vectors, as shares of d_model (Hsiao et al., 2021: 128 of 512, …)
WIDTHS = (0.25, 0.5, 0.125, 0.0625, 1.0, 0.25, 0.25)


class Streaming(keras.Model):
    """A Transformer-XL for `fit`: it keeps its memory from one batch to the next.

    Call: (ids (batch, length), fresh bool (batch,)) -> logits. Where a piece begins, what is in
    memory is unknown.
    """

    def __init__(self, inner: Any, batch_size: int, memory_length: int):
        super().__init__(name="streaming")
        self.inner = inner
        empty = inner.empty_memory(batch_size, memory_length) if memory_length else []
        self.memory = [
            self.add_weight(
                shape=part.shape,
                dtype=keras.backend.standardize_dtype(part.dtype),
                initializer="zeros",
                trainable=False,
                name=f"memory_{number}",
            )
            for number, part in enumerate(empty)
        ]

    def build(self, *shapes: Any) -> None:
        """Do nothing: the network has its weights."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        ids, fresh = inputs
        if not self.memory:
            return self.inner(ids, training=training)
        known, *hiddens = (ops.convert_to_tensor(part) for part in self.memory)
        known = ops.logical_and(known, ops.logical_not(fresh)[:, None])
        logits, kept = self.inner.read(ids, [known, *hiddens], training=training)
        for part, new in zip(self.memory, kept, strict=True):
            part.assign(new)
        return logits


class Whole(keras.Model):
    """A linear Transformer for `fit`: (words, types of the next) -> all fields' logits, joined."""

    def __init__(self, inner: Any):
        super().__init__(name="whole")
        self.inner = inner

    def build(self, *shapes: Any) -> None:
        """Do nothing: the network has its weights."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        words, types = inputs
        return ops.concatenate(self.inner(words, types, training=training), axis=-1)


def build(
    tasks: Any, settings: Settings, runtime: Runtime, network: Network, words: Words
) -> keras.Model:
    """Make a network of the student's, with its weights, ready for `fit`; `inner` is theirs."""
    sizes = (settings.d_model, settings.num_heads, settings.ff_dim, settings.num_layers)
    with runtime.scope():
        # each network's weights depend on the seed alone, not on what was built before
        keras.utils.set_random_seed(settings.seed)
        if network.kind == "linear":
            widths = [max(1, round(share * settings.d_model)) for share in WIDTHS]
            inner = tasks.CompoundTransformer(words.sizes, widths, *sizes, settings.dropout)
            inner.build((None, None, len(words.sizes)))
            return Whole(inner)
        inner = tasks.TransformerXL(
            *words.sizes, *sizes, settings.memory_length, settings.dropout, settings.same_length
        )
        inner.build((None, None))
        memory = settings.memory_length if network.kind == "xl" else 0
        return Streaming(inner, settings.batch_size, memory)


# Batches


class Streams(EpochBatches):
    """Segments of pieces in order, row by row; where one pass over the pieces ends, another begins.

    Parameters
    ----------
    steps : batches an epoch; None is one pass, the pieces as they come
    """

    def __init__(self, tasks: Any, split: Split, settings: Settings, moves: Any, steps: int | None):
        super().__init__()
        self.tasks, self.split, self.settings, self.moves = tasks, split, settings, moves
        self.steps = steps
        self.shape = (settings.batch_size, settings.length)
        self.start(0)

    def start(self, epoch: int) -> None:
        """Cut the batches of `epoch` (from 0)."""
        passes = self._passes(epoch)
        stream = passes if self.steps is None else islice(passes, self.steps)
        self.batches = [((inputs, fresh), targets) for inputs, targets, fresh in stream]

    def _passes(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        first, offsets = self.split.offsets[0], self.split.offsets - self.split.offsets[0]
        tokens = self.split.tokens[first : self.split.offsets[-1]]
        length, rows = self.settings.length, self.settings.batch_size
        if self.steps is None:
            most = self.settings.eval_batches
            yield from islice(self.tasks.stream_batches(tokens, offsets, length, rows), most)
            return
        for number in count():
            rng = np.random.default_rng([self.settings.seed, epoch, number])
            moved = transpose(tokens, offsets, self.moves, rng)
            yield from self.tasks.stream_batches(
                moved, offsets, length, rows, int(rng.integers(2**31))
            )

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


class WholePieces(EpochBatches):
    """Whole pieces of compound words, filled up to one length; longer ones are left out.

    Parameters
    ----------
    steps : batches an epoch, of pieces drawn anew; None is all pieces as they come
    """

    def __init__(self, tasks: Any, split: Split, settings: Settings, moves: Any, steps: int | None):
        super().__init__()
        self.tasks, self.split, self.settings, self.moves = tasks, split, settings, moves
        self.steps = steps
        self.shape = (settings.linear_batch_size, settings.linear_length)
        self.short = np.flatnonzero(np.diff(split.offsets) <= settings.linear_length)
        if not len(self.short):
            raise EtudeError(
                f"no piece has at most {settings.linear_length} rows: give a longer linear_length"
            )
        self.start(0)

    def start(self, epoch: int) -> None:
        """Choose the pieces of `epoch` (from 0), and move them."""
        rows = self.shape[0]
        if self.steps is None:
            self.pieces = [self.split.piece(index) for index in self.short]
            most = self.settings.eval_batches
            self.pieces = self.pieces if most is None else self.pieces[: most * rows]
            return
        rng = np.random.default_rng([self.settings.seed, epoch])
        passes = -(-self.steps * rows // len(self.short))
        order = np.concatenate([rng.permutation(self.short) for _ in range(passes)])
        self.pieces = []
        for index in order[: self.steps * rows]:
            piece = self.split.piece(index)
            self.pieces.append(transpose(piece, np.array([0, len(piece)]), self.moves, rng))

    def __len__(self) -> int:
        return -(-len(self.pieces) // self.shape[0])

    def __getitem__(self, index: int) -> Any:
        rows = self.shape[0]
        return whole_batch(self.tasks, self.pieces[index * rows : (index + 1) * rows], *self.shape)


def whole_batch(
    tasks: Any, pieces: list[np.ndarray], rows: int, length: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Fill pieces up to a batch: (words, types of the next), targets."""
    targets = np.full((rows, length, len(tasks.FIELDS)), tasks.PAD, np.int32)
    inputs = np.full_like(targets, tasks.START_ID)
    for row, piece in enumerate(pieces):
        targets[row, : len(piece)] = piece
        inputs[row, 1 : len(piece)] = piece[:-1]
    return (inputs, np.maximum(targets[..., tasks.TYPE], 0)), targets


def transpose(
    tokens: np.ndarray, offsets: np.ndarray, moves: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Move each piece by one of the `moves`, lists of an id's new id for each field."""
    result = np.array(tokens, np.int32)
    chosen = rng.integers(len(moves), size=len(offsets) - 1)
    for piece, move in enumerate(chosen.tolist()):
        here = slice(offsets[piece], offsets[piece + 1])
        if result.ndim == 1:
            result[here] = moves[move][0][result[here]]
        else:
            for field, table in enumerate(moves[move]):
                result[here, field] = table[result[here, field]]
    return result


# Losses


@dataclass(frozen=True)
class Losses:
    """What is minimised, and what is measured of one encoding's targets and joined logits."""

    tasks: Any
    words: Words

    def objective(self, targets: Any, logits: Any) -> Any:
        """Mean loss that is minimised: over the words, or over rows and fields."""
        if self.words.name == "CP":
            return self.tasks.compound_loss(targets, self.fields(logits))
        nats, words = self.tasks.masked_cross_entropy(targets, logits)
        return nats / ops.maximum(words, 1.0)

    def nats(self, targets: Any, logits: Any) -> Any:
        """Sum of what the targets cost, of compound words over the fields that say something."""
        if self.words.name == "CP":
            return self.tasks.nats_and_notes(targets, self.fields(logits))[0]
        return self.tasks.masked_cross_entropy(targets, logits)[0]

    def per_word(self, targets: Any, logits: Any) -> Any:
        """Nats a word of REMI, or a row."""
        return self.nats(targets, logits) / ops.maximum(self.count(targets), 1.0)

    def count(self, targets: Any) -> Any:
        """Count words, or rows."""
        first = targets[..., 0] if self.words.name == "CP" else targets
        return ops.sum(ops.cast(ops.not_equal(first, self.tasks.PAD), "float32"))

    def fields(self, logits: Any) -> list:
        """Take the seven fields' logits apart."""
        return ops.split(logits, np.cumsum(self.words.sizes)[:-1].tolist(), axis=-1)


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    network: Network,
    model: keras.Model,
    words: Words,
) -> Log:
    """Fit a network; the log's nats are a word of REMI, or a row of compound words."""
    linear = network.kind == "linear"
    kind = WholePieces if linear else Streams
    moves = [words.transposed(semitones) for semitones in settings.semitones]
    steps = getattr(settings, f"{network.kind}_steps")
    rate = settings.linear_learning_rate if linear else settings.learning_rate
    losses = Losses(tasks, words)
    console.say(f"{network.name}: {model.inner.count_params():,} weights")
    return fit(
        model,
        run,
        runtime,
        loss=losses.per_word,
        objective=losses.objective,
        counted=losses.count,
        metrics={},
        train=kind(tasks, words.splits["train"], settings, moves, steps),
        validation=kind(tasks, words.splits["validation"], settings, moves, None),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=lambda: keras.optimizers.Adam(
            warmup_cosine(rate, settings.epochs * steps), global_clipnorm=1.0
        ),
    )
