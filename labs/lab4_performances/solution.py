# %% [markdown]
# # Lab 4: a Music Transformer
#
# A pianist's performance is a stream of events: a key goes down, time passes, the key comes up. You
# turn recordings into such streams, build a Transformer that hears how far apart two events are
# rather than where they stand (Huang et al., "Music Transformer", 2018), train it, and let it play
# on from a beginning of your choice.

# %%
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import keras
import note_seq
import numpy as np
from keras import layers, ops

PAD, START, END = range(3)
# ids of the events: 128 pitches go down, 128 come up, 1 to 100 steps pass, 32 loudnesses
NOTE_ON, NOTE_OFF, TIME_SHIFT, VELOCITY = 3, 131, 259, 359
MAX_SHIFT, VELOCITY_BINS = 100, 32
VOCAB_SIZE = VELOCITY + VELOCITY_BINS
STEPS_PER_SECOND = 100
LOWEST, HIGHEST = 21, 108  # a piano's keys
SUSTAIN_PEDAL = 64  # its number among MIDI's controllers

# %% [markdown]
# ## 4.1 The pedal
#
# A piano's right pedal holds every note that is released while it is down. What counts for the ear
# is when a note stops sounding, not when the finger left, so the pedal is written into the notes'
# ends before anything else, and then forgotten.
#
# A verdict shows a sequence as rows of numbers: a note as pitch, velocity, start, end, instrument,
# program and whether it is a drum's; a pedal's move as time, controller, value and instrument.


# %%
def apply_sustain(sequence: note_seq.NoteSequence) -> note_seq.NoteSequence:
    """Prolong the notes that the sustain pedal holds.

    Walk through all events in time; at one time pedals that go down come first, then pedals that
    come up, then notes that start, then notes that end. The pedal (controller 64) is down at
    values of 64 and more; each instrument has its own. A note that ends while its pedal is down
    sounds on until the pedal comes up, until the same pitch is struck again in that instrument, or
    until the last event of all. If a pitch is struck while its pedal is down, the earlier note of
    that pitch and instrument ends where the new one starts, also if it would end later by itself.

    Parameters
    ----------
    sequence : NoteSequence
        It is not changed.

    Returns
    -------
    NoteSequence
        The same notes with their new ends. If a pitch is struck twice at one time while the pedal
        is down, the first of the two would last no time and is left out. Drum notes stay as they
        are.

    Source: `note_seq.apply_sustain_control_changes`, whose notes these equal.
    """
    # BEGIN SOLUTION
    result = note_seq.NoteSequence()
    result.CopyFrom(sequence)
    pedal_down, pedal_up, note_on, note_off = range(4)
    events: list[tuple] = []
    for note in result.notes:
        if not note.is_drum:
            events += [(note.start_time, note_on, note), (note.end_time, note_off, note)]
    for change in result.control_changes:
        if change.control_number == SUSTAIN_PEDAL:
            kind = pedal_down if change.control_value >= 64 else pedal_up
            events.append((change.time, kind, change))
    events.sort(key=lambda event: event[:2])

    is_down: dict[int, bool] = defaultdict(bool)
    sounding: dict[int, list] = defaultdict(list)
    struck_twice = []
    time = 0.0
    for time, kind, event in events:
        held = sounding[event.instrument]
        if kind == pedal_down:
            is_down[event.instrument] = True
        elif kind == pedal_up:
            is_down[event.instrument] = False
            released = [note for note in held if note.end_time < time]
            held[:] = [note for note in held if note.end_time >= time]
            for note in released:
                note.end_time = time
        elif kind == note_on:
            if is_down[event.instrument]:
                again = [note for note in held if note.pitch == event.pitch]
                held[:] = [note for note in held if note.pitch != event.pitch]
                for note in again:
                    note.end_time = time
                struck_twice += [note for note in again if note.start_time == time]
            held.append(event)
        elif not is_down[event.instrument] and event in held:
            held.remove(event)
    for held in sounding.values():
        for note in held:
            note.end_time = time
    for note in struck_twice:
        result.notes.remove(note)
    result.total_time = max([result.total_time, *(note.end_time for note in result.notes)])
    return result
    # END SOLUTION


# %% [markdown]
# ## 4.2 From a performance to tokens
#
# Oore et al. describe playing as a typist would: press, release, wait, play louder from here on.
# Time is cut into steps of 10 ms, finer than the ear tells apart, and each note's start and end is
# rounded by itself. Rounding the gaps between events instead would let errors add up: a piece of
# ten minutes drifts by seconds, which is what several published tokenisers do.
#
# Loudness is a state: an event is spent only when it changes.


# %%
def encode_performance(sequence: note_seq.NoteSequence) -> np.ndarray:
    """Spell a performance as ids of events.

    1. `apply_sustain`.
    2. Steps: a time of t seconds is step int(100 t + 0.5); an end that is its start's step becomes
       one step later.
    3. Order: notes by (start in seconds, pitch), as they come if equal, number them so. Then all
       starts and ends by (step, number of the note, start before end).
    4. For each, first the waiting since the event before (or since 0): as many TIME_SHIFT of 100
       steps as fit, then one of the rest, if any. Before a start, VELOCITY if its bin is another
       than that of the last start: bin (velocity - 1) // 4. Then NOTE_ON or NOTE_OFF.

    Parameters
    ----------
    sequence : NoteSequence
        Of any number of instruments, which go into one stream; in seconds. It is not changed.

    Returns
    -------
    int32 array (events,)
        NOTE_ON + pitch, NOTE_OFF + pitch, TIME_SHIFT + steps - 1 (1 to 100 steps), VELOCITY + bin
        (0 to 31). No START, no END. The silence after the last note is not written.

    Source: Oore et al., "This Time with Feeling" (2018), section 3; each id is three more than
    `note_seq.PerformanceOneHotEncoding`'s.
    """
    # BEGIN SOLUTION
    notes = sorted(apply_sustain(sequence).notes, key=lambda note: (note.start_time, note.pitch))
    moments = []
    for number, note in enumerate(notes):
        start, end = (int(t * STEPS_PER_SECOND + 0.5) for t in (note.start_time, note.end_time))
        moments += [(start, number, False), (max(end, start + 1), number, True)]
    events, now, loudness = [], 0, None
    for step, number, is_end in sorted(moments):
        full, rest = divmod(step - now, MAX_SHIFT)
        events += full * [TIME_SHIFT + MAX_SHIFT - 1] + ([TIME_SHIFT + rest - 1] if rest else [])
        now = step
        note = notes[number]
        bin_ = (note.velocity - 1) // 4
        if not is_end and bin_ != loudness:
            events.append(VELOCITY + bin_)
            loudness = bin_
        events.append((NOTE_OFF if is_end else NOTE_ON) + note.pitch)
    return np.array(events, np.int32)
    # END SOLUTION


# %% [markdown]
# ## 4.3 From tokens to a performance
#
# A model does not always write what a pianist could play: it releases keys that are up, or never
# releases one. Whatever it writes becomes music here.


# %%
def decode_performance(ids: Sequence[int]) -> note_seq.NoteSequence:
    """Play ids of events.

    Parameters
    ----------
    ids : sequence of int
        Up to the first END; PAD and START are skipped.

    Returns
    -------
    NoteSequence
        Notes in the order of their ends, times in seconds (a step is 10 ms), instrument and program
        0, `total_time` the last end. Before the first VELOCITY a note's velocity is 100; bin b
        plays velocity 4 b + 1. NOTE_OFF ends the longest sounding note of its pitch; without one it
        means nothing; a note that would last no time is left out. What still sounds at the end of
        the ids ends there, by start, pitch and velocity, one step long at least.

    Raises
    ------
    ValueError
        If an id up to the first END is negative or not below `VOCAB_SIZE`.
    """
    # BEGIN SOLUTION
    sequence = note_seq.NoteSequence(ticks_per_quarter=220)
    sequence.tempos.add(qpm=120)
    sounding: dict[int, deque] = defaultdict(deque)
    step, velocity = 0, 100

    def end(pitch: int, start: int, loudness: int, stop: int) -> None:
        if stop > start:
            sequence.notes.add(
                pitch=pitch,
                velocity=loudness,
                start_time=start / STEPS_PER_SECOND,
                end_time=stop / STEPS_PER_SECOND,
            )

    for token in map(int, ids):
        if not 0 <= token < VOCAB_SIZE:
            raise ValueError(f"id {token}: ids go from 0 to {VOCAB_SIZE - 1}")
        if token == END:
            break
        if token >= VELOCITY:
            velocity = 4 * (token - VELOCITY) + 1
        elif token >= TIME_SHIFT:
            step += token - TIME_SHIFT + 1
        elif token >= NOTE_OFF:
            pitch = token - NOTE_OFF
            if sounding[pitch]:
                start, loudness = sounding[pitch].popleft()
                end(pitch, start, loudness, step)
        elif token >= NOTE_ON:
            sounding[token - NOTE_ON].append((step, velocity))
    left = [(start, pitch, loud) for pitch, notes in sounding.items() for start, loud in notes]
    for start, pitch, loud in sorted(left):
        end(pitch, start, loud, max(step, start + 1))
    sequence.total_time = max([note.end_time for note in sequence.notes], default=0)
    return sequence
    # END SOLUTION


# %% [markdown]
# ## 4.4 Other keys, other tempi
#
# A nocturne a semitone higher is still a nocturne, and so is one played a little slower. MAESTRO
# has 962 performances to train on; in seven keys and at five speeds it has many more.
#
# Both are done to the ids, so that a batch costs no decoding. Speed needs care: scale the times of
# the events, not the waiting between them, or rounding adds up again.


# %%
def augment(ids: np.ndarray, semitones: int, stretch: float) -> np.ndarray:
    """Transpose and stretch a performance.

    Parameters
    ----------
    ids : int array (events,)
        As `encode_performance` writes them.
    semitones : int
        Added to every pitch. A note that would leave the piano (21 to 108) goes an octave back
        inside; one that was outside before keeps its pitch.
    stretch : float
        Above 0. An event at step s moves to step floor(s × stretch + 1/2); the order stays.

    Returns
    -------
    int32 array
        With waiting spelled as in `encode_performance`: whole 100s, then the rest. Waiting after
        the last event is left out.

    Raises
    ------
    ValueError
        If `stretch` is not above 0, or `semitones` is not within -12 to 12.
    """
    # BEGIN SOLUTION
    if not stretch > 0:
        raise ValueError(f"stretch {stretch}: must be above 0")
    if not -12 <= semitones <= 12:
        raise ValueError(f"semitones {semitones}: must be from -12 to 12")
    ids = np.asarray(ids, np.int32)
    is_shift = (ids >= TIME_SHIFT) & (ids < VELOCITY)
    steps = np.cumsum(np.where(is_shift, ids - TIME_SHIFT + 1, 0))[~is_shift]
    events = ids[~is_shift]

    is_note = (events >= NOTE_ON) & (events < TIME_SHIFT)
    base = np.where(events < NOTE_OFF, NOTE_ON, NOTE_OFF)
    pitch = events - base
    moved = pitch + semitones
    moved = np.where(moved > HIGHEST, moved - 12, np.where(moved < LOWEST, moved + 12, moved))
    on_piano = (pitch >= LOWEST) & (pitch <= HIGHEST)
    events = np.where(is_note & on_piano, base + moved, events)

    steps = np.floor(steps * stretch + 0.5).astype(np.int64)
    full, rest = np.divmod(np.diff(steps, prepend=0), MAX_SHIFT)
    lengths = full + (rest > 0) + 1
    ends = np.cumsum(lengths)
    result = np.full(ends[-1] if len(ends) else 0, TIME_SHIFT + MAX_SHIFT - 1, np.int32)
    result[ends - 1] = events
    result[(ends - 2)[rest > 0]] = TIME_SHIFT + rest[rest > 0] - 1
    return result
    # END SOLUTION


# %% [markdown]
# ## 4.5 Crops to learn from
#
# A performance has some 19,000 events, the model reads 2,048. Crops are cut at random. If the first
# position of a crop were drawn evenly among those that leave it whole, the first and last events of
# a piece would hardly ever be learned: only one crop holds the first. So crops may hang over both
# ends, and padding fills what is over.


# %%
def make_batches(
    tokens: np.ndarray, offsets: np.ndarray, length: int, batch_size: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut random crops for ever, such that every token is equally likely to be a target.

    Piece i, tokens[offsets[i]:offsets[i + 1]], is read as START, its n tokens, END: n + 1 inputs,
    each with the token after it as target. A crop is `length` pairs in a row. Of piece i there are
    n + length of them, since a crop may begin up to `length` - 1 pairs before the first and end as
    many after the last; every crop of every piece is equally likely.

    Parameters
    ----------
    tokens : int array (all tokens,)
        Possibly memory-mapped: only what a crop needs is read.
    offsets : int array (pieces + 1,)
        Where pieces begin; the last one's end.
    length, batch_size : int
    seed : int
        The same seed gives the same batches.

    Yields
    ------
    inputs, targets : int32 arrays (batch_size, length)
        A crop's pairs stand at the left, `PAD` to the right of them.

    Raises
    ------
    ValueError
        If there is no piece, or `length` or `batch_size` is below 1. At the first batch.
    """
    # BEGIN SOLUTION
    if len(offsets) < 2 or length < 1 or batch_size < 1:
        raise ValueError(f"{len(offsets) - 1} pieces, length {length}, batch size {batch_size}")
    rng = np.random.default_rng(seed)
    sizes = np.diff(np.asarray(offsets, np.int64))
    crops_before = np.concatenate([[0], np.cumsum(sizes + length)])
    while True:
        inputs, targets = np.full((2, batch_size, length), PAD, np.int32)
        for row, crop in enumerate(rng.integers(crops_before[-1], size=batch_size)):
            piece = int(np.searchsorted(crops_before, crop, side="right")) - 1
            first = int(crop - crops_before[piece]) - (length - 1)  # of the piece's pairs
            last = min(first + length, int(sizes[piece]) + 1)
            first = max(first, 0)
            begin = int(offsets[piece])
            body = tokens[begin + max(first - 1, 0) : begin + min(last, int(sizes[piece]))]
            line = np.concatenate(
                [[START] if first == 0 else [], body, [END] if last > sizes[piece] else []]
            )
            inputs[row, : last - first] = line[:-1]
            targets[row, : last - first] = line[1:]
        yield inputs, targets
    # END SOLUTION


# %% [markdown]
# ## 4.6 Windows to measure on
#
# A loss that is to be compared must not depend on luck: every token of the validation set is
# scored, and each once. The first tokens of a window are guessed with little to go by, which makes
# a model look worse than it is; so windows may overlap, and a token is scored where it has more
# before it.


# %%
def evaluation_windows(
    tokens: np.ndarray, offsets: np.ndarray, length: int, context: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows in which every token, and every piece's END, is a target exactly once.

    A piece's pairs are as in `make_batches`. Its windows begin at the pairs 0, stride, 2 stride, …
    with stride = length - context, as long as one holds a pair that no earlier one scores. Each is
    `length` pairs, the last fewer; in all but a piece's first window the first `context` targets
    are `PAD`: they were scored before and only serve as context.

    Parameters
    ----------
    tokens, offsets
        As in `make_batches`.
    length : int
    context : int
        From 0 to length - 1.

    Returns
    -------
    inputs, targets : int32 arrays (windows, length)
        Piece after piece; `PAD` to the right of what is over. Without a piece there are 0 windows:
        both have shape (0, length).

    Raises
    ------
    ValueError
        If `context` is not in 0 … length - 1.
    """
    # BEGIN SOLUTION
    if not 0 <= context < length:
        raise ValueError(f"context {context}: must be from 0 to {length - 1}")
    rows = []
    for begin, end in pairwise(offsets):
        line = np.concatenate([[START], tokens[begin:end], [END]])
        pairs = len(line) - 1
        for first in range(0, max(pairs - context, 1), length - context):
            last = min(first + length, pairs)
            inputs, targets = np.full((2, length), PAD, np.int32)
            inputs[: last - first] = line[first:last]
            targets[: last - first] = line[first + 1 : last + 1]
            if first:
                targets[:context] = PAD
            rows.append((inputs, targets))
    if not rows:
        return np.zeros((0, length), np.int32), np.zeros((0, length), np.int32)
    inputs, targets = map(np.stack, zip(*rows, strict=True))
    return inputs, targets
    # END SOLUTION


# %% [markdown]
# ## 4.7 Relative logits by the definition
#
# Attention asks of each earlier event: does what you are matter to me? Music also asks: does it
# matter that you were *this long ago*, a beat, a bar? So each distance d has a learned vector E[d],
# and a query scores a key by q · k + q · E[d]. Distances beyond the largest share one vector.
#
# This first version does as the formula says. It makes a tensor of (queries, keys, head_dim), the
# vectors of all pairs: for 2,048 events and heads of 64 that is 1.1 GB, in each layer, before a
# gradient. How much it is in all, 4.8 measures.
#
# From here on arguments are tensors, some of them while a graph is traced: compute with
# `keras.ops`, not with NumPy or Python's `if`, so that the same code runs on TensorFlow and JAX,
# compiled too.


# %%
def relative_logits(queries, embeddings, source_length: int):
    """Score each query against the distance to each key: q · E[d], by the definition.

    The queries are the last T of S positions: query t is at position S - T + t, key s at s, their
    distance d = S - T + t - s. Beyond D, the last row of `embeddings`, distances count as D.

    Parameters
    ----------
    queries : (batch, T, heads, head_dim)
    embeddings : (D + 1, head_dim), row d for distance d; all heads share them
    source_length : int
        S, at least T.

    Returns
    -------
    (batch, heads, T, S)
        What stands at keys that come after the query (d < 0) is without meaning: it is masked.

    Source: Shaw et al. (2018), section 3.2; Huang et al. (2018), section 3.4, equation 3.
    """
    # BEGIN SOLUTION
    target_length = queries.shape[1]
    positions = np.arange(source_length - target_length, source_length)
    distances = np.clip(positions[:, None] - np.arange(source_length), 0, embeddings.shape[0] - 1)
    pairs = ops.take(embeddings, distances, axis=0)  # (T, S, head_dim)
    return ops.einsum("bthk,tsk->bhts", queries, pairs)
    # END SOLUTION


# %% [markdown]
# ## 4.8 The skew
#
# Only S different vectors occur, so one matrix product gives every query's score with every
# distance: (T, S), but ordered by distance, so that what belongs to key s stands in another column
# in each row. Huang et al. found that a pad and a reshape put everything into place, and nothing of
# size (T, S, head_dim) is ever made: for L events, O(L · head_dim) beside the result in place of
# O(L² · head_dim).
#
# Both were measured (the course's `benchmarks/relative_memory.py`): what a process's peak rises by,
# in MB, for the logits of one layer with 8 heads of 64, one piece, on a CPU. The result itself is
# in it:
#
# | length | by the definition | by the skew | the result |
# |---|---|---|---|
# | 256 | 28 | 7 | 2 |
# | 512 | 102 | 23 | 8 |
# | 1,024 | 437 | 95 | 34 |
# | 2,048 | 1,547 | 402 | 134 |
#
# What the skew takes is its result three times over, from one step to the next; 4.10 sees to that.


# %%
def skew(scores):
    """Move scores by distance to scores by key.

    scores[…, t, c] belongs to query t, which is at position S - T + t, and to the distance
    S - 1 - c. In the result, column s belongs to key s: result[…, t, s] = scores[…, t, s + T - 1 -
    t] wherever key s is not after query t.

    Parameters
    ----------
    scores : (batch, heads, T, S), T at most S

    Returns
    -------
    (batch, heads, T, S)
        Without meaning where key s comes after query t.

    Source: Huang et al. (2018), section 3.4.1: pad a column on the left, reshape, drop the first
    part.
    """
    # BEGIN SOLUTION
    batch, heads = ops.shape(scores)[:2]
    target_length, source_length = scores.shape[2:]
    padded = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [1, 0]])
    flat = ops.reshape(padded, (batch, heads, target_length * (source_length + 1)))
    return ops.reshape(flat[:, :, target_length:], (batch, heads, target_length, source_length))
    # END SOLUTION


# %% [markdown]
# ## 4.9 The cache
#
# To write one more event, the model needs the keys and values of those before it, not their
# computation. They are kept, and what is computed anew for an event is one row. But where is it
# put? To append it to an array of 2,000 rows means to copy 2,000 rows, in each layer, at each step;
# that is what makes simple caches slow. So the cache has two parts: an old one that only is read,
# and a short new one that is written to. When the new one is full, it is moved into the old one,
# and what lies further back than attention reaches is forgotten: a model can play for hours.


# %%
class KeyValueCache:
    """The keys, or the values, of the last positions: an old part, and a new one with free slots.

    The old part holds the positions before slot 0 of the new part, in order.
    """

    def __init__(self, window: int):
        self.window = window

    def write(self, new, row, slot):
        """Write one position into its slot.

        new: (batch, num_heads, slots, head_dim); row: (batch, 1, num_heads, head_dim); slot: int
        scalar. Returns the new part.
        """
        # BEGIN SOLUTION
        return ops.slice_update(new, [0, 0, slot, 0], ops.transpose(row, (0, 2, 1, 3)))
        # END SOLUTION

    def distances(self, old: int, slots: int, slot):
        """Say how long before the position in `slot` each position of old and new part is.

        Returns int (old + slots,): old part first. Slots after `slot` have negative distances.
        """
        # BEGIN SOLUTION
        return old + slot - ops.arange(old + slots)
        # END SOLUTION

    def move(self, old, new):
        """Move a full new part into the old one, and keep what the next position can reach.

        old: (batch, num_heads, n, head_dim); new: (batch, num_heads, slots, head_dim). Returns the
        last `window` - 1 positions of both, (batch, num_heads, at most window - 1, head_dim).
        """
        # BEGIN SOLUTION
        both = ops.concatenate([old, new], axis=2)
        return both[:, :, max(both.shape[2] - self.window + 1, 0) :]
        # END SOLUTION


# %% [markdown]
# ## 4.10 Relative attention
#
# The layer at the heart of it. For 2,048 events the scores of 8 heads are 134 MB a piece in each
# layer; half of them belong to keys that come later and are thrown away. So queries are taken a
# chunk at a time, each chunk with the keys up to its own end: the same result, half the work. And
# what a chunk computed need not be kept for the gradient: `keras.remat` forgets it and computes it
# again when its turn comes. For a step with 2 pieces of 2,048 events, 6 layers and a d_model of 512
# that is 3.1 GB for 4.2, and 17.3 seconds of CPU for 15.6: a tenth more, measured by the same
# benchmark.


# %%
class RelativeAttention(layers.Layer):
    """Causal self-attention with several heads that also weighs how long ago each event was.

    For each head: A = softmax((Q Kᵀ + S) / √head_dim), output = A V, with S[t, s] = Q[t] · E[d], d
    the distance t - s, at most `max_distance`. Q = x · query kernel + bias, K and V likewise;
    head_dim = d_model / num_heads. The heads' outputs, together, go through the output kernel and
    bias.

    A position attends to itself and to `window` - 1 positions before it, where `mask` is True.
    Elsewhere the weight is 0: the score, in float32, is lowered by 1e9 before the softmax, which is
    taken in float32 too. However long the chunks of `CHUNK` queries are, the result is the same.

    Call
    ----
    x : (batch, length, d_model)
    mask : bool (batch, length), or None for all True

    Returns
    -------
    (batch, length, d_model)

    Weights
    -------
    Of the layers `query`, `key`, `value`: kernel (d_model, num_heads, head_dim), bias (num_heads,
    head_dim); of `output_projection`: kernel (num_heads, head_dim, d_model), bias (d_model,). And
    `distances`, E: (max_distance + 1, head_dim), which the heads share.

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`: the
    task is to write it out.

    Raises
    ------
    ValueError
        If `num_heads` does not divide `d_model`.

    Source: Vaswani et al. (2017), section 3.2; Huang et al. (2018), section 3.4.
    """

    CHUNK = 512

    def __init__(self, d_model: int, num_heads: int, max_distance: int, window: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.num_heads, self.head_dim = d_model, num_heads, d_model // num_heads
        self.max_distance, self.window = max_distance, window
        self.query, self.key, self.value = (
            layers.EinsumDense(
                "btd,dhk->bthk",
                (None, num_heads, self.head_dim),
                bias_axes="hk",
                name=f"{self.name}_{part}",
            )
            for part in ("query", "key", "value")
        )
        self.output_projection = layers.EinsumDense(
            "bthk,hkd->btd", (None, d_model), bias_axes="d", name=f"{self.name}_output_projection"
        )

    def build(self, input_shape):
        for projection in (self.query, self.key, self.value):
            projection.build((None, None, self.d_model))
        self.output_projection.build((None, None, self.num_heads, self.head_dim))
        self.distances = self.add_weight(
            shape=(self.max_distance + 1, self.head_dim),
            initializer=keras.initializers.RandomNormal(stddev=self.head_dim**-0.5),
            name="distances",
        )

    def call(self, x, mask=None):
        return self.read(x, mask)[0]

    def read(self, x, mask=None):
        """Attend, and hand out what later positions will need of these.

        Returns
        -------
        output (batch, length, d_model), and keys, values: (batch, num_heads, length, head_dim).
        """
        # BEGIN SOLUTION
        queries, keys, values = self.query(x), self.key(x), self.value(x)
        kept = [ops.transpose(part, (0, 2, 1, 3)) for part in (keys, values)]
        queries = queries * ops.cast(self.head_dim**-0.5, queries.dtype)
        length, mixed = x.shape[1], []

        def attend(queries, keys, values, vectors, lowered):
            scores = ops.einsum("bthk,bshk->bhts", queries, keys)
            scores = scores + skew(ops.einsum("bthk,sk->bhts", queries, vectors))
            weights = ops.softmax(ops.cast(scores, "float32") + lowered, axis=-1)
            return ops.einsum("bhts,bshk->bthk", ops.cast(weights, values.dtype), values)

        if length > self.CHUNK:
            attend = keras.remat(attend)
        for begin in range(0, length, self.CHUNK):
            end = min(begin + self.CHUNK, length)
            first = max(0, begin - self.window + 1)
            by_distance = np.minimum(np.arange(end - first)[::-1], self.max_distance)
            vectors = ops.cast(ops.take(self.distances, by_distance, axis=0), x.dtype)
            distances = np.arange(begin, end)[:, None] - np.arange(first, end)
            unseen = (distances < 0) | (distances >= self.window)
            lowered = ops.convert_to_tensor(np.where(unseen, -1e9, 0.0), "float32")
            if mask is not None:
                padding = ops.where(mask[:, None, None, first:end], 0.0, -1e9)
                lowered = ops.minimum(padding, lowered)
            seen = keys[:, first:end], values[:, first:end]
            mixed.append(attend(queries[:, begin:end], *seen, vectors, lowered))
        return self.output_projection(ops.concatenate(mixed, axis=1)), *kept
        # END SOLUTION

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        """Do for one position what the call does for all, from a `KeyValueCache`.

        Parameters
        ----------
        x : (batch, 1, d_model)
        slot : int scalar, the slot of the new part that x is written to
        old_keys, old_values : (batch, num_heads, old, head_dim)
        new_keys, new_values : (batch, num_heads, new, head_dim)

        Returns
        -------
        output (batch, 1, d_model), and new_keys, new_values with this position written in.
        """

        # BEGIN SOLUTION
        def project(layer, row):
            """Apply a projection to rows (batch, features): one product, faster than its einsum."""
            kernel = ops.reshape(layer.kernel, (row.shape[-1], -1))
            bias = ops.reshape(layer.bias, (-1,))
            return ops.matmul(row, ops.cast(kernel, x.dtype)) + ops.cast(bias, x.dtype)

        cache, heads = KeyValueCache(self.window), (-1, 1, self.num_heads, self.head_dim)
        row = ops.reshape(x, (-1, self.d_model))
        query, key, value = (
            ops.reshape(project(layer, row), heads) for layer in (self.query, self.key, self.value)
        )
        new_keys = cache.write(new_keys, key, slot)
        new_values = cache.write(new_values, value, slot)
        query = ops.transpose(query, (0, 2, 1, 3)) * ops.cast(self.head_dim**-0.5, x.dtype)
        old, new = ops.shape(old_keys)[2], ops.shape(new_keys)[2]
        distances = cache.distances(old, new, slot)
        vectors = ops.take(self.distances, ops.clip(distances, 0, self.max_distance), axis=0)
        parts = [ops.einsum("bhtk,bhsk->bhts", query, keys) for keys in (old_keys, new_keys)]
        by_distance = ops.matmul(
            ops.reshape(query, (-1, self.head_dim)), ops.transpose(ops.cast(vectors, x.dtype))
        )
        scores = ops.concatenate(parts, axis=-1)
        scores = scores + ops.reshape(by_distance, (-1, self.num_heads, 1, old + new))
        scores = ops.cast(scores, "float32")
        allowed = ops.logical_and(distances >= 0, distances < self.window)
        weights = ops.softmax(ops.where(allowed, scores, scores - 1e9), axis=-1)
        weights = ops.cast(weights, x.dtype)
        mixed = ops.matmul(weights[..., :old], old_values)
        mixed = mixed + ops.matmul(weights[..., old:], new_values)
        mixed = project(self.output_projection, ops.reshape(mixed, (-1, self.d_model)))
        return mixed[:, None], new_keys, new_values
        # END SOLUTION


# %% [markdown]
# ## 4.11 A norm that bears half precision
#
# In mixed precision, matrix products run on 16 bits and the weights stay in 32. float16 ends at
# 65,504: the square of 256 is already too much. A norm that squares its input in float16 turns a
# large activation into infinity, and the whole piece into nothing. The softmax, the loss and the
# norms are few operations and cost little: they are done in float32.


# %%
class RMSNorm(layers.Layer):
    """Divide by the root mean square over the last axis, times a learned scale.

    y = x / √(mean(x²) + 1e-6) × scale, computed in float32 whatever the layer's dtype; the result
    has the layer's compute dtype. A float16 input of 60,000 throughout gives 1 × scale.

    Call
    ----
    x : (…, features)

    Weights
    -------
    scale (features,), at first 1; no bias.

    Keras's own norms are not allowed, neither its layers nor `ops.rms_normalization` and
    `ops.layer_normalization`: the task is to write it out.

    Source: Zhang and Sennrich (2019), equation 4; Micikevicius et al. (2018), section 3.3.
    """

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        # BEGIN SOLUTION
        x = ops.cast(x, "float32")
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)
        return ops.cast(x * ops.cast(self.scale, "float32"), self.compute_dtype)
        # END SOLUTION


# %% [markdown]
# ## 4.12 The scale of the loss
#
# Gradients are small: below 6e-8 float16 knows only 0. So the loss is multiplied by a large number
# before the gradients are taken, and they are divided by it afterwards. Which number? As large as
# goes: it is doubled every so often, and when a gradient overflows, that step is skipped and the
# number halved.


# %%
def update_loss_scale(
    scale: float, good_steps: int, finite: bool, growth_interval: int = 2000
) -> tuple[float, int]:
    """Adapt the loss scale after a step.

    Parameters
    ----------
    scale : float
        What the loss was multiplied by.
    good_steps : int
        Steps without overflow since the scale last changed, this one apart.
    finite : bool
        Whether all gradients of this step are finite.
    growth_interval : int
        Good steps until the scale doubles.

    Returns
    -------
    scale, good_steps
        After an overflow half the scale, but not below 1, and 0. After the `growth_interval`-th
        good step double the scale and 0; else the same scale and one more good step.

    Source: Micikevicius et al. (2018), section 3.2; `keras.optimizers.LossScaleOptimizer`.
    """
    # BEGIN SOLUTION
    if not finite:
        return max(scale / 2, 1.0), 0
    if good_steps + 1 >= growth_interval:
        return scale * 2, 0
    return scale, good_steps + 1
    # END SOLUTION


# %% [markdown]
# ## 4.13 A block


# %%
class TransformerBlock(layers.Layer):
    """Look back, then transform each position by itself.

    x ← x + dropout(attention(norm_1(x)))
    x ← x + dropout(W_2 gelu(W_1 norm_2(x) + b_1) + b_2)

    The norms are `RMSNorm`; gelu is Keras's exact one. Dropout acts in training only.

    Call
    ----
    x : (batch, length, d_model)
    mask : bool (batch, length), or None

    Source: Vaswani et al. (2017), section 3.1; normalised first as in Xiong et al. (2020).
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        max_distance: int,
        window: int,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.d_model, self.ff_dim = d_model, ff_dim
        self.attention = RelativeAttention(
            d_model, num_heads, max_distance, window, name=f"{self.name}_attention"
        )
        self.norm_1 = RMSNorm(name=f"{self.name}_norm_1")
        self.norm_2 = RMSNorm(name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="gelu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        shape = (None, None, self.d_model)
        for layer in (self.attention, self.norm_1, self.norm_2, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, x, mask=None):
        return self.read(x, mask)[0]

    def read(self, x, mask=None):
        """Return the result, and the attention's keys and values, as `RelativeAttention.read`."""
        # BEGIN SOLUTION
        heard, keys, values = self.attention.read(self.norm_1(x), mask)
        x = x + self.dropout(heard)
        return x + self.dropout(self.contract(self.expand(self.norm_2(x)))), keys, values
        # END SOLUTION

    def step(self, x, slot, *cache):
        """Do for one position what the call does for all; as `RelativeAttention.step`.

        Returns x (batch, 1, d_model), and the new parts of the keys and of the values.
        """
        # BEGIN SOLUTION
        heard, keys, values = self.attention.step(self.norm_1(x), slot, *cache)
        x = x + heard
        return x + self.contract(self.expand(self.norm_2(x))), keys, values
        # END SOLUTION


# %% [markdown]
# ## 4.14 The Music Transformer
#
# No position is ever added to an event: distances are all the model knows of time. So a melody is
# the same melody wherever it stands, and the model may read and write further than it was trained.


# %%
class MusicTransformer(keras.Model):
    """Score what may come next, after each event of a performance.

    ids → embedding × √d_model → dropout → `num_layers` × `TransformerBlock` → `RMSNorm` → the
    embedding in reverse. Logits are float32 whatever the precision.

    Parameters
    ----------
    vocab_size, d_model, num_heads, ff_dim, num_layers, max_distance : int
        As in the layers.
    window : int
        Positions that attention reaches back to, the own one included.
    dropout : float
    tied : bool
        Whether the output uses the embedding's weights.

    Call
    ----
    ids : int (batch, length), `PAD` to the right
        No mask is needed: attention looks back, and `PAD` stands after all that counts. It is
        embedded like any other id.
    training : bool or None, handed on to the layers: `fit` tells it to the model alone

    Returns
    -------
    float32 (batch, length, vocab_size)

    Source: Huang et al. (2018), section 3; Press and Wolf (2017) for tied weights.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        max_distance: int,
        window: int,
        dropout: float = 0.0,
        tied: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.window = d_model, window
        self.embedding = layers.ReversibleEmbedding(
            vocab_size, d_model, tie_weights=tied, reverse_dtype="float32", name="embedding"
        )
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            TransformerBlock(
                d_model, num_heads, ff_dim, max_distance, window, dropout, name=f"block_{i}"
            )
            for i in range(num_layers)
        ]
        self.norm = RMSNorm(name="norm")

    def build(self, input_shape):
        self.embedding.build(input_shape)
        for block in self.blocks:
            block.build((None, None, self.d_model))
        self.norm.build((None, None, self.d_model))

    def call(self, ids, training=None):
        # BEGIN SOLUTION
        hidden = self.dropout(self.embedding(ids) * self.d_model**0.5, training=training)
        for block in self.blocks:
            hidden = block(hidden, training=training)
        return ops.cast(self.embedding(self.norm(hidden), reverse=True), "float32")
        # END SOLUTION

    def read(self, ids):
        """Read a primer: keys and values of each block in turn.

        ids: (batch, length). Returns a list of 2 × `num_layers` tensors (batch, num_heads, length,
        head_dim), the first block's keys, its values, the second's keys, ….
        """
        # BEGIN SOLUTION
        hidden, kept = self.embedding(ids) * self.d_model**0.5, []
        for block in self.blocks:
            hidden, keys, values = block.read(hidden)
            kept += [keys, values]
        return kept
        # END SOLUTION

    def step(self, ids, slot, old, new):
        """Score what may come after one more event: the call's logits, without its work.

        Parameters
        ----------
        ids : int (batch, 1)
        slot : int scalar, where in the new part the event goes
        old, new : lists as `read` returns them; the two parts of a `KeyValueCache`

        Returns
        -------
        logits float32 (batch, vocab_size), and `new` with this event written in.
        """
        # BEGIN SOLUTION
        hidden, written = self.embedding(ids) * self.d_model**0.5, []
        for i, block in enumerate(self.blocks):
            own = slice(2 * i, 2 * i + 2)
            hidden, keys, values = block.step(hidden, slot, *old[own], *new[own])
            written += [keys, values]
        logits = self.embedding(self.norm(hidden), reverse=True)[:, 0]
        return ops.cast(logits, "float32"), written
        # END SOLUTION


# %% [markdown]
# ## 4.15 The learning rate


# %%
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rise to `peak` in `warmup` steps, then fall with the inverse square root of the step.

    Step n, counted from 0, has the rate peak × min((n + 1) / warmup, √(warmup / (n + 1))). Asked by
    hand, n is an int; in training it is an int tensor, in a function that Keras compiles.

    Source: Vaswani et al. (2017), section 5.3, with the peak in place of the model's width.
    """

    def __init__(self, peak: float, warmup: int):
        super().__init__()
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        # BEGIN SOLUTION
        step = ops.cast(step, "float32") + 1
        return self.peak * ops.minimum(step / self.warmup, ops.sqrt(self.warmup / step))
        # END SOLUTION

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}


# %% [markdown]
# ## 4.16 The loss
#
# Cross-entropy, as in every lab. New is the smoothing: a pianist could have played something else
# at any moment, and a model that is never asked to be quite certain learns to keep the door open.
# It raises the loss that is shown, so training is measured without it.


# %%
def masked_cross_entropy(targets, logits, smoothing: float = 0.0):
    """Mean loss over the targets that are not PAD, in nats a token.

    With smoothing s the target distribution is s / vocab_size on each id, the target and PAD too,
    and 1 - s more on the target.

    Parameters
    ----------
    targets : int (batch, length)
    logits : float (batch, length, vocab_size), cast to float32
    smoothing : float

    Returns
    -------
    float32 scalar; 0 if all is PAD.

    Source: Szegedy et al. (2016), section 7, for the smoothing.
    """
    # BEGIN SOLUTION
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    losses = -(1 - smoothing) * chosen
    if smoothing:
        losses = losses - smoothing * ops.mean(log_probabilities, axis=-1)
    is_token = ops.not_equal(targets, PAD)
    count = ops.maximum(ops.sum(ops.cast(is_token, "float32")), 1.0)
    return ops.sum(ops.where(is_token, losses, 0.0)) / count
    # END SOLUTION


# %% [markdown]
# ## 4.17 The accuracy


# %%
def masked_accuracy(targets, logits):
    """Share of the targets that are not PAD for which the largest logit is theirs.

    targets: int (batch, length); logits: float (batch, length, vocab_size). Returns a float32
    scalar; 0 if all is PAD.
    """
    # BEGIN SOLUTION
    is_token = ops.cast(ops.not_equal(targets, PAD), "float32")
    guessed = ops.cast(ops.argmax(logits, axis=-1), targets.dtype)
    right = ops.cast(ops.equal(guessed, targets), "float32") * is_token
    return ops.sum(right) / ops.maximum(ops.sum(is_token), 1.0)
    # END SOLUTION


# %% [markdown]
# ## 4.18 Nats a note
#
# "Nats a token" depends on the encoding: one that spends a token on each note's loudness has many
# easy tokens and a low figure. Nats a note do not: they can be compared between encodings. The
# keyboard pieces have 3.91 tokens a note, MAESTRO 4.04: 2 nats a token are 7.8 and 8.1 a note.


# %%
def nats_per_note(nats_per_token: float, targets) -> float:
    """Spread a mean loss a token over the notes: nats × tokens / notes (NOTE_ON among targets).

    PAD counts neither as token nor as note. Without a note: infinity.
    """
    # BEGIN SOLUTION
    targets = np.asarray(targets)
    notes = int(((targets >= NOTE_ON) & (targets < NOTE_OFF)).sum())
    return nats_per_token * int((targets != PAD).sum()) / notes if notes else float("inf")
    # END SOLUTION


# %% [markdown]
# ## 4.19 What may come next


# %%
def filter_logits(logits, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0):
    """Sharpen or flatten the distribution, and cut off its tail.

    1. Divide by `temperature`.
    2. With top_k > 0, all but the `top_k` largest logits become -1e9 (those equal to the smallest
       kept one stay; a `top_k` of vocab_size or more keeps all).
    3. With top_p < 1, of what is left the likeliest ids are kept until their probabilities sum to
       `top_p` or more, at least one; the others become -1e9 (equal ones stay).

    Parameters
    ----------
    logits : float (batch, vocab_size)

    Returns
    -------
    float32 (batch, vocab_size)

    Raises
    ------
    ValueError
        If `temperature` is not above 0, `top_k` is negative, or `top_p` is not in (0, 1].

    Source: Fan et al. (2018), section 5.4 (top-k); Holtzman et al. (2020), section 3.1 (top-p).
    """
    # BEGIN SOLUTION
    if not temperature > 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"temperature {temperature} must be above 0, top_k {top_k} at least 0, and top_p "
            f"{top_p} above 0 and at most 1"
        )
    logits = ops.cast(logits, "float32") / temperature
    if top_k and top_k < logits.shape[-1]:
        smallest = ops.top_k(logits, top_k)[0][:, -1:]
        logits = ops.where(logits < smallest, -1e9, logits)
    if top_p < 1:
        falling = -ops.sort(-logits, axis=-1)
        probabilities = ops.softmax(falling, axis=-1)
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        kept = ops.where(before < top_p, falling, np.inf)
        logits = ops.where(logits < ops.min(kept, axis=-1, keepdims=True), -1e9, logits)
    return logits
    # END SOLUTION


# %% [markdown]
# ## 4.20 Playing on
#
# The primer is read in one pass; what it leaves in the cache is all that writing needs of it.
# Chance comes from outside as noise: argmax of logits plus Gumbel noise is a draw from their
# softmax, so the same noise gives the same piece on every backend.


# %%
def generate(
    model: MusicTransformer,
    primers,
    noise,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    grammar: bool = False,
    slots: int = 256,
):
    """Play a batch of pieces on from their primers.

    `model.read` reads the primer, and the cache begins with all of it but the last id. Then, at
    each step, `model.step` gets the last id; its logits lose what may not be written (-1e9): PAD
    and START; with `grammar` also every NOTE_OFF whose pitch does not sound: it was released as
    often as struck since START, where releasing what does not sound counts for nothing. Then
    `filter_logits`, then argmax of logits + noise. A row is done after END; what follows is PAD.

    Parameters
    ----------
    primers : int (batch, primer length), START first, without END or PAD
    noise : float (batch, steps, vocab_size), Gumbel distributed
        noise[:, t] decides the t-th id that is written.
    temperature, top_k, top_p
        As in `filter_logits`.
    slots : int
        Of the cache's new part.

    Returns
    -------
    int32 tensor (batch, steps)
        What was written after the primer, up to and including END.

    Notes
    -----
    Written with `keras.ops` alone, so that it compiles as a whole: the steps that fill the slots
    are one `ops.while_loop`, which ends early when all rows are done.
    """
    # BEGIN SOLUTION
    noise = ops.convert_to_tensor(noise, "float32")
    primers = ops.cast(primers, "int32")
    batch, (steps, vocab_size) = ops.shape(noise)[0], noise.shape[1:]
    cache, ids, pitches = KeyValueCache(model.window), ops.arange(vocab_size), ops.arange(128)

    def change(ids):
        """How ids change the number of notes that sound: (batch, 128)."""
        starts = ops.equal(ids[..., None] - NOTE_ON, pitches)
        ends = ops.equal(ids[..., None] - NOTE_OFF, pitches)
        return ops.cast(starts, "int32") - ops.cast(ends, "int32")

    sounding = ops.zeros((batch, 128), "int32")
    for position in range(primers.shape[1] if grammar else 0):
        sounding = ops.maximum(sounding + change(primers[:, position]), 0)
    old = [cache.move(part[:, :, :-1], part[:, :, :0]) for part in model.read(primers)]
    word, done = primers[:, -1], ops.zeros((batch,), "bool")
    pieces = []
    for begin in range(0, steps, slots):
        size = min(slots, steps - begin)
        luck = noise[:, begin : begin + size]
        new = [ops.zeros((batch, part.shape[1], size, part.shape[3]), part.dtype) for part in old]

        def going_on(step, written, word, done, sounding, *new, size=size):
            return ops.logical_and(step < size, ops.logical_not(ops.all(done)))

        def write(step, written, word, done, sounding, *new, luck=luck, old=old):
            logits, new = model.step(word[:, None], step, old, new)
            forbidden = ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START))[None]
            if grammar:
                silent = ops.cast(ops.less_equal(sounding, 0), "int32")
                around = [(0, 0), (NOTE_OFF, vocab_size - TIME_SHIFT)]
                forbidden = ops.logical_or(forbidden, ops.pad(silent, around) > 0)
            logits = ops.where(forbidden, -1e9, logits)
            logits = filter_logits(logits, temperature, top_k, top_p)
            drawn = ops.argmax(logits + ops.take(luck, step, axis=1), axis=-1)
            word = ops.where(done, PAD, ops.cast(drawn, "int32"))
            written = ops.where(
                ops.equal(ops.arange(written.shape[1]), step), word[:, None], written
            )
            sounding = ops.maximum(sounding + change(word), 0)
            done = ops.logical_or(done, ops.equal(word, END))
            return step + 1, written, word, done, sounding, *new

        start = ops.convert_to_tensor(0, "int32")
        written = ops.full((batch, size), PAD, "int32")
        _, written, word, done, sounding, *new = ops.while_loop(
            going_on, write, (start, written, word, done, sounding, *new)
        )
        old = [cache.move(*parts) for parts in zip(old, new, strict=True)]
        pieces.append(written)
    return ops.concatenate(pieces, axis=1)
    # END SOLUTION
