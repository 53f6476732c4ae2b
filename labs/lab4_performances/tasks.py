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
    raise NotImplementedError("4.1")


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
    raise NotImplementedError("4.2")


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
    raise NotImplementedError("4.3")


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
    raise NotImplementedError("4.4")


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
    raise NotImplementedError("4.5")


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
    raise NotImplementedError("4.6")


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
    raise NotImplementedError("4.7")


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
    raise NotImplementedError("4.8")


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
        raise NotImplementedError("4.9")

    def distances(self, old: int, slots: int, slot):
        """Say how long before the position in `slot` each position of old and new part is.

        Returns int (old + slots,): old part first. Slots after `slot` have negative distances.
        """
        raise NotImplementedError("4.9")

    def move(self, old, new):
        """Move a full new part into the old one, and keep what the next position can reach.

        old: (batch, num_heads, n, head_dim); new: (batch, num_heads, slots, head_dim). Returns the
        last `window` - 1 positions of both, (batch, num_heads, at most window - 1, head_dim).
        """
        raise NotImplementedError("4.9")


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
        raise NotImplementedError("4.10")

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

        raise NotImplementedError("4.10")


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
        raise NotImplementedError("4.11")


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
    raise NotImplementedError("4.12")


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
        raise NotImplementedError("4.13")

    def step(self, x, slot, *cache):
        """Do for one position what the call does for all; as `RelativeAttention.step`.

        Returns x (batch, 1, d_model), and the new parts of the keys and of the values.
        """
        raise NotImplementedError("4.13")


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
        raise NotImplementedError("4.14")

    def read(self, ids):
        """Read a primer: keys and values of each block in turn.

        ids: (batch, length). Returns a list of 2 × `num_layers` tensors (batch, num_heads, length,
        head_dim), the first block's keys, its values, the second's keys, ….
        """
        raise NotImplementedError("4.14")

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
        raise NotImplementedError("4.14")


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
        raise NotImplementedError("4.15")

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
    raise NotImplementedError("4.16")


# %% [markdown]
# ## 4.17 The accuracy


# %%
def masked_accuracy(targets, logits):
    """Share of the targets that are not PAD for which the largest logit is theirs.

    targets: int (batch, length); logits: float (batch, length, vocab_size). Returns a float32
    scalar; 0 if all is PAD.
    """
    raise NotImplementedError("4.17")


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
    raise NotImplementedError("4.18")


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
    raise NotImplementedError("4.19")


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
    raise NotImplementedError("4.20")
