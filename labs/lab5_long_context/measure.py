"""What the networks learned, in nats a note, and how their songs are: repetition, loops, copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from labs.lab5_long_context.data import Words
from labs.lab5_long_context.generate import Song
from labs.lab5_long_context.settings import Network, Settings, batch_shape
from labs.lab5_long_context.train import Losses, read_segment, types_of, whole_batch
from toolkit.data.corpus import Split
from toolkit.music.copying import SeenRuns
from toolkit.music.measures import Measures, pitch_class_entropy
from toolkit.music.piece import Piece
from toolkit.music.pieces import RUN, note_codes
from toolkit.music.remi import BAR_TICKS, STEP
from toolkit.training.ngram import fit_ngrams
from toolkit.training.runtime import compiled

DRAWS = 2000  # of the bootstrap
CONTEXTS = 4000  # rows of compound words that a bigram tells apart
LOOP = 4  # bars in a row that repeat those before them
PERIODS = range(1, 9)  # bars after which a loop repeats


# Nats a note


def nats_by_piece(
    tasks: Any, settings: Settings, network: Network, inner: Any, words: Words,
    splits: Sequence[str], memory_length: int = 0,
) -> list[np.ndarray]:  # fmt: skip
    """Score each piece of some splits whole: float64 (pieces,) for each split, nats.

    The linear Transformer reads a piece at once; the others segment by segment, with a memory of
    so many words.
    """
    chosen = [words.splits[name] for name in splits]
    if network.kind == "linear":
        rows, _ = batch_shape(settings, network)
        return _whole_pieces(tasks, rows, inner, words, chosen)
    return _streams(tasks, settings, inner, words, chosen, memory_length)


def _streams(
    tasks: Any, settings: Settings, inner: Any, words: Words, splits: Sequence[Split],
    memory_length: int,
) -> list[np.ndarray]:  # fmt: skip
    losses, rows = Losses(tasks, words), settings.batch_size

    def read(ids: Any, types: Any, targets: Any, fresh: Any, *memory: Any) -> list:
        logits, kept = read_segment(inner, ids, types, fresh, [*memory])
        return [_by_row(losses, targets, logits, rows), *kept]

    program = compiled(read, inner)

    def score(split: Split) -> np.ndarray:
        memory = [ops.convert_to_numpy(part) for part in inner.empty_memory(rows, memory_length)]
        nats, at, pieces = np.zeros(len(split)), np.zeros(rows, int), 0
        first = split.offsets[0]
        tokens = split.tokens[first : split.offsets[-1]]
        batches = tasks.stream_batches(tokens, split.offsets - first, settings.length, rows)
        for ids, targets, fresh in batches:
            at[fresh] = np.arange(pieces, pieces + fresh.sum())  # pieces come in their order
            pieces += int(fresh.sum())
            found, *memory = program(ids, types_of(tasks, targets), targets, fresh, *memory)
            np.add.at(nats, at, found)
        return nats

    return [score(split) for split in splits]


def _whole_pieces(
    tasks: Any, rows: int, inner: Any, words: Words, splits: Sequence[Split]
) -> list[np.ndarray]:
    losses = Losses(tasks, words)

    def read(inputs: Any, types: Any, targets: Any) -> list:
        logits = ops.concatenate(inner(inputs, types), axis=-1)
        return [_by_row(losses, targets, logits, rows)]

    program = compiled(read, inner)

    def score(split: Split) -> np.ndarray:
        lengths = np.diff(split.offsets)
        order = np.argsort(lengths, kind="stable")
        nats = np.zeros(len(split))
        for begin in range(0, len(split), rows):
            chosen = order[begin : begin + rows]
            # few different lengths, since each is compiled
            length = 1 << int(lengths[chosen[-1]] - 1).bit_length()
            pieces = [split.piece(int(index)) for index in chosen]
            (inputs, types), targets = whole_batch(tasks, pieces, rows, length)
            nats[chosen] = program(inputs, types, targets)[0][: len(chosen)]
        return nats

    return [score(split) for split in splits]


def _by_row(losses: Losses, targets: Any, logits: Any, rows: int) -> Any:
    """What each row of a batch costs."""
    costs = [losses.nats(targets[row : row + 1], logits[row : row + 1]) for row in range(rows)]
    return ops.stack(costs)


def interval(nats: np.ndarray, notes: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Nats a note over all pieces, and the 95 % interval of it over draws of pieces (bootstrap)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(notes), size=(DRAWS, len(notes)))
    means = nats[drawn].sum(axis=1) / np.maximum(notes[drawn].sum(axis=1), 1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(nats.sum() / notes.sum()), float(low), float(high)


def bigram_nats(tasks: Any, words: Words, split: str) -> np.ndarray:
    """Score each piece by a smoothed bigram: float64 (pieces,), nats.

    Of compound words each field that says something is given the whole row before; rows that are
    rare in training, or not there, count as one.
    """
    train, held_out = words.splits["train"], words.splits[split]
    columns = [None] if words.name == "REMI" else range(len(words.sizes))
    rows = [_contexts(tasks, words, train), _contexts(tasks, words, held_out)]
    found, counts = np.unique(rows[0], return_counts=True)
    known = np.sort(found[np.argsort(-counts, kind="stable")[:CONTEXTS]])
    before = [_places(known, row) for row in rows]
    fold = np.arange(len(train)) % 5
    fold_of = np.repeat(fold, np.diff(train.offsets))
    costs = np.zeros(len(before[1]))
    for column in columns:
        targets = [_column(one, column) for one in (train, held_out)]
        size = words.sizes[column or 0]
        said = [_said(tasks, column, target) for target in targets]
        codes = before[0] * size + targets[0]
        folds = [
            np.bincount(codes[said[0] & (fold_of == one)], minlength=(len(known) + 1) * size)
            for one in range(5)
        ]
        _, log_bigram = fit_ngrams(np.stack(folds).reshape(5, len(known) + 1, size))
        costs -= np.where(said[1], log_bigram[before[1], targets[1]], 0.0)
    offsets = held_out.offsets - held_out.offsets[0]
    return np.add.reduceat(costs, offsets[:-1])


def _places(known: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Give each row its place among those that are known; len(known) if it is not."""
    places = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[places] == rows, places, len(known))


def _column(split: Split, column: int | None) -> np.ndarray:
    tokens = split.tokens[split.offsets[0] : split.offsets[-1]]
    return np.asarray(tokens if column is None else tokens[:, column], np.int64)


def _said(tasks: Any, column: int | None, targets: np.ndarray) -> np.ndarray:
    """Which targets say something: of a field other than the type those that are not 0."""
    return np.ones(len(targets), bool) if column in (None, tasks.TYPE) else targets != 0


def _contexts(tasks: Any, words: Words, split: Split) -> np.ndarray:
    """Number what stands before each word or row; before the first is START."""
    tokens = np.asarray(split.tokens[split.offsets[0] : split.offsets[-1]], np.int64)
    if tokens.ndim == 2:
        tokens = np.ravel_multi_index(tuple(tokens.T), words.sizes)
    before = np.concatenate([[tasks.START_ID], tokens[:-1]])
    before[split.offsets[:-1] - split.offsets[0]] = tasks.START_ID
    return before


# Songs


@dataclass(frozen=True)
class SongMeasures(Measures):
    """Measures of one song, or their means over several.

    Attributes
    ----------
    notes, bars : how many
    entropy : of the pitch classes, in bits
    repeated : share of the bars with notes that have come before in the song
    looped : share of the bars that lie in a loop: at least four bars in a row, each like the bar
        one to eight bars before
    copied : share of runs of 20 notes, in whatever key, that are in the training pieces
    broken : share of the words, or rows, that make no sense
    ends : whether it ends by itself
    """

    notes: float
    bars: float
    entropy: float
    repeated: float
    looped: float
    copied: float
    broken: float
    ends: float


def measure(found: Piece, seen: SeenRuns, broken: float, ends: bool) -> SongMeasures:
    """Measure one song."""
    bars = bar_contents(found)
    return SongMeasures(
        notes=len(found.notes),
        bars=len(bars),
        entropy=pitch_class_entropy(found.notes[:, 2]) if len(found.notes) else 0.0,
        repeated=repeated_bars(bars),
        looped=looped_bars(bars),
        copied=seen.share(note_codes(found), RUN - 1),
        broken=broken,
        ends=float(ends),
    )


def measure_song(
    tasks: Any, words: Words, song: Song, seen: SeenRuns
) -> tuple[Piece, SongMeasures]:
    """Decode and measure a song."""
    found, broken = words.decode(tasks, song.ids)
    return found, measure(found, seen, broken / max(len(song.ids), 1), song.ended)


def bar_contents(found: Piece) -> list[frozenset]:
    """Give each bar's notes as pairs of step and pitch, until the last bar with one."""
    if not len(found.notes):
        return []
    starts = found.notes[:, 0]
    bars: list[set] = [set() for _ in range(int(starts.max()) // BAR_TICKS + 1)]
    for start, pitch in zip(starts.tolist(), found.notes[:, 2].tolist(), strict=True):
        bars[start // BAR_TICKS].add((start % BAR_TICKS // STEP, pitch))
    return [frozenset(bar) for bar in bars]


def repeated_bars(bars: list[frozenset]) -> float:
    """Share of the bars with notes that are as an earlier one."""
    filled = [bar for bar in bars if bar]
    return (len(filled) - len(set(filled))) / len(filled) if filled else 0.0


def looped_bars(bars: list[frozenset]) -> float:
    """Share of the bars that lie in a loop."""
    looped = np.zeros(len(bars), bool)
    for period in PERIODS:
        run = 0
        for place in range(period, len(bars)):
            run = run + 1 if bars[place] and bars[place] == bars[place - period] else 0
            if run >= LOOP:
                looped[place - run + 1 : place + 1] = True
    return float(looped.mean()) if len(bars) else 0.0
