"""Building and training the networks: what they read, keep between batches, and minimise."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.lab5_long_context.data import Words
from labs.lab5_long_context.mixed import linear_over_words, xl_over_rows
from labs.lab5_long_context.settings import Network, Settings, batch_shape, steps_per_epoch
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.training.fit import EpochBatches, PerTokenLoss, fit
from toolkit.training.memory import peak_bytes
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

# widths of the seven fields' vectors, as shares of d_model (Hsiao et al., 2021: 128 of 512, …)
WIDTHS = (0.25, 0.5, 0.125, 0.0625, 1.0, 0.25, 0.25)


class Streaming(keras.Model):
    """A Transformer-XL for `fit`: it keeps its memory from one batch to the next.

    Call: (ids (batch, length), types of the next, fresh bool (batch,)) -> logits. Where a piece
    begins, what is in memory is unknown.
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
        ids, types, fresh = inputs
        memory = [ops.convert_to_tensor(part) for part in self.memory]
        if not memory:
            memory = self.inner.empty_memory(ops.shape(ids)[0], 0)
        logits, kept = read_segment(self.inner, ids, types, fresh, memory, training)
        for part, new in zip(self.memory, kept, strict=False):
            part.assign(new)
        return logits


def read_segment(
    inner: Any, ids: Any, types: Any, fresh: Any, memory: list, training: Any = None
) -> tuple[Any, list]:
    """Read a segment with a Transformer-XL; what is in memory of rows that begin is unknown.

    Returns
    -------
    logits, of compound words all fields' side by side; and the memory for the next segment
    """
    known = ops.logical_and(memory[0], ops.logical_not(fresh)[:, None])
    logits, kept = inner.read(ids, [known, *memory[1:]], training=training)
    if hasattr(inner, "heads"):
        fields = inner.heads(logits, inner.embedding.of_types(types))
        logits = ops.concatenate(fields, axis=-1)
    return logits, kept


class Whole(keras.Model):
    """A linear Transformer for `fit`: (words, types of the next) -> logits, all fields joined."""

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
        widths = [max(1, round(share * settings.d_model)) for share in WIDTHS]
        xl = (settings.memory_length, settings.dropout, settings.same_length)
        if network.kind == "linear" and network.words == "CP":
            inner = tasks.CompoundTransformer(words.sizes, widths, *sizes, settings.dropout)
        elif network.kind == "linear":
            inner = linear_over_words(tasks)(words.sizes, widths, *sizes, settings.dropout)
        elif network.words == "CP":
            inner = xl_over_rows(tasks)(words.sizes, widths, *sizes, *xl)
        else:
            inner = tasks.TransformerXL(*words.sizes, *sizes, *xl)
        inner.build((None, None, len(words.sizes)))
        return for_fit(settings, network, inner, settings.batch_size)


def for_fit(settings: Settings, network: Network, inner: Any, batch_size: int) -> keras.Model:
    """Wrap a network for `fit`."""
    memory = settings.memory_length if network.kind == "xl" else 0
    model = Whole(inner) if network.kind == "linear" else Streaming(inner, batch_size, memory)
    model.build()
    return model


# Batches


class Streams(EpochBatches):
    """Segments of pieces in order, row by row; where one pass over the pieces ends, another begins.

    Parameters
    ----------
    steps : batches an epoch; None is one pass, the pieces as they come
    shape : rows of a batch, and their length
    """

    def __init__(
        self,
        tasks: Any,
        split: Split,
        settings: Settings,
        moves: Any,
        steps: int | None,
        shape: tuple[int, int],
    ):
        super().__init__()
        self.tasks, self.split, self.settings, self.moves = tasks, split, settings, moves
        self.steps = steps
        self.shape = shape
        self.start(0)

    def start(self, epoch: int) -> None:
        """Cut the batches of `epoch` (from 0)."""
        passes = self._passes(epoch)
        stream = passes if self.steps is None else islice(passes, self.steps)
        self.batches = [
            ((inputs, types_of(self.tasks, targets), fresh), targets)
            for inputs, targets, fresh in stream
        ]

    def _passes(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        first, offsets = self.split.offsets[0], self.split.offsets - self.split.offsets[0]
        tokens = self.split.tokens[first : self.split.offsets[-1]]
        rows, length = self.shape
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
    """Whole pieces, filled up to one length; longer ones are left out.

    Parameters
    ----------
    shape : rows of a batch, and their length
    steps : batches an epoch, of pieces drawn anew; None is all pieces as they come
    """

    def __init__(
        self,
        tasks: Any,
        split: Split,
        settings: Settings,
        moves: Any,
        steps: int | None,
        shape: tuple[int, int],
    ):
        super().__init__()
        self.tasks, self.split, self.settings, self.moves = tasks, split, settings, moves
        self.steps = steps
        self.shape = shape
        self.short = short_pieces(split, shape[1])
        self.start(0)

    def start(self, epoch: int) -> None:
        """Choose the pieces of `epoch` (from 0), and move them."""
        rows = self.shape[0]
        if self.steps is None:
            self.pieces = [self.split.piece(int(index)) for index in self.short]
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


def short_pieces(split: Split, length: int) -> np.ndarray:
    """Give the indices of the pieces that are learned whole.

    Raises
    ------
    EtudeError
        If there is none.
    """
    lengths = np.diff(split.offsets)
    if lengths.min() > length:
        raise EtudeError(
            f"no piece has at most {length:,} steps, the shortest has {lengths.min():,}: give a "
            "longer linear_length"
        )
    return np.flatnonzero(lengths <= length)


def whole_batch(
    tasks: Any, pieces: list[np.ndarray], rows: int, length: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Fill pieces up to a batch: (words, types of the next), targets."""
    targets = np.full((rows, length, *pieces[0].shape[1:]), tasks.PAD, np.int32)
    inputs = np.full_like(targets, tasks.START_ID)
    for row, piece in enumerate(pieces):
        targets[row, : len(piece)] = piece
        inputs[row, 1 : len(piece)] = piece[:-1]
    return (inputs, types_of(tasks, targets)), targets


def types_of(tasks: Any, targets: np.ndarray) -> np.ndarray:
    """Give the types of rows, where they are filled up 0; of words of REMI, which have none, 0."""
    return np.maximum(targets[..., tasks.TYPE], 0) if targets.ndim == 3 else targets * 0


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


def training_memory(
    tasks: Any, settings: Settings, network: Network, inner: Any, words: Words, share: float
) -> tuple[str, int | None]:
    """Take one training step that changes nothing, at a share of the batch size.

    Returns
    -------
    batch : in words
    peak : bytes that the step takes above the network itself, Adam's moments among them; None where
        that cannot be measured
    """
    rows, length = batch_shape(settings, network)
    rows = max(1, round(rows * share))
    model = for_fit(settings, network, inner, rows)
    losses = Losses(tasks, words)
    model.compile(
        keras.optimizers.Adam(0.0), loss=PerTokenLoss(losses.objective, losses.count),
        run_eagerly=keras.backend.backend() == "tensorflow",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    first = words.splits["train"].offsets[0]
    tokens = words.splits["train"].tokens[first:]
    pieces = [
        tokens[begin : begin + length]
        for begin in rng.integers(max(len(tokens) - length, 1), size=rows)
    ]
    inputs: tuple[np.ndarray, ...]
    inputs, targets = whole_batch(tasks, pieces, rows, length)
    if network.kind != "linear":
        inputs = (*inputs, np.zeros(rows, bool))
    peak = peak_bytes(lambda: model.train_on_batch(inputs, targets))
    return f"{rows} of {length:,}", peak


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
    moves = [words.transposed(semitones) for semitones in settings.semitones]
    steps = steps_per_epoch(settings, network)
    shape = batch_shape(settings, network)
    linear = network.kind == "linear"
    rate = settings.linear_learning_rate if linear else settings.learning_rate
    kind = partial(WholePieces if linear else Streams, tasks, settings=settings, shape=shape)
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
        train=kind(split=words.splits["train"], moves=moves, steps=steps),
        validation=kind(split=words.splits["validation"], moves=moves, steps=None),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=lambda: keras.optimizers.Adam(
            warmup_cosine(rate, settings.epochs * steps), global_clipnorm=1.0
        ),
    )
