# %% [markdown]
# # Lab 4: a Music Transformer
#
# A pianist's performance is a stream of events: a key goes down, time passes, the key comes up. You
# turn recordings into such streams, build a Transformer that attends by how far apart two events
# are, not by where they are (Huang et al., "Music Transformer", 2018), train it, and let it
# continue a beginning of your choice.

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
# A piano's right pedal holds every note that is released while it is down. You hear when a note
# stops sounding, not when the finger leaves the key. So the first step writes the pedal's effect
# into the notes' ends; after that the pedal is not needed.
#
# A verdict shows a sequence as rows of numbers: a note as pitch, velocity, start, end, instrument,
# program and whether it is a drum; a pedal's move as time, controller, value and instrument.


# %%
def apply_sustain(sequence: note_seq.NoteSequence) -> note_seq.NoteSequence:
    """Prolong the notes that the sustain pedal holds.

    Go through all events in the order of time; at the same time pedals that go down come first,
    then pedals that come up, then notes that start, then notes that end. The pedal (controller 64)
    is down at values of 64 and more; each instrument has its own. A note that ends while its pedal
    is down keeps sounding until the pedal comes up, until the same pitch is struck again in that
    instrument, or until the last event of all. If a pitch is struck while its pedal is down, the
    earlier note of that pitch and instrument ends where the new one starts, even if it would end
    later by itself.

    Parameters
    ----------
    sequence : NoteSequence
        It is not changed.

    Returns
    -------
    NoteSequence
        The same notes with their new ends. If a pitch is struck twice at the same time while the
        pedal is down, the first of the two would have length 0 and is left out. Drum notes stay as
        they are.

    Source: `note_seq.apply_sustain_control_changes`, whose notes these equal.
    """
    raise NotImplementedError("4.1")


# %% [markdown]
# ## 4.2 From a performance to tokens
#
# Oore et al. describe a performance as a list of actions: press, release, wait, play louder from
# now on. Time is cut into steps of 10 ms, finer than you can hear, and each start and end of a note
# is rounded separately. Rounding the gaps between events instead would let errors add up: a piece
# of ten minutes drifts by seconds. Several published tokenisers do that.
#
# Loudness is a state: it costs an event only when it changes.


# %%
def encode_performance(sequence: note_seq.NoteSequence) -> np.ndarray:
    """Encode a performance as ids of events.

    1. `apply_sustain`.
    2. Steps: a time of t seconds is step int(100 t + 0.5); if start and end round to one step, the
       end moves one step later.
    3. Order: sort the notes by (start in seconds, pitch), equal ones as they come, and number them
       in this order. Then sort all starts and ends by (step, number of the note, start before end).
    4. For each, first the time since the previous event (or since 0): as many TIME_SHIFT of 100
       steps as fit, then one for the rest, if any. Before a start, VELOCITY if its bin differs from
       the previous start's: bin (velocity - 1) // 4. Then NOTE_ON or NOTE_OFF.

    Parameters
    ----------
    sequence : NoteSequence
        With any number of instruments, which go into one stream; times in seconds. It is not
        changed.

    Returns
    -------
    int32 array (events,)
        NOTE_ON + pitch, NOTE_OFF + pitch, TIME_SHIFT + steps - 1 (1 to 100 steps), VELOCITY + bin
        (0 to 31). No START, no END. The silence after the last note is left out.

    Source: Oore et al., "This Time with Feeling" (2018), section 3; each id is three more than
    `note_seq.PerformanceOneHotEncoding`'s.
    """
    raise NotImplementedError("4.2")


# %% [markdown]
# ## 4.3 From tokens to a performance
#
# A model does not always generate what a pianist could play: it releases keys that are up, or never
# releases a key. Here everything that it generates becomes music.


# %%
def decode_performance(ids: Sequence[int]) -> note_seq.NoteSequence:
    """Decode ids of events into a performance.

    Parameters
    ----------
    ids : sequence of int
        Up to the first END; PAD and START are skipped.

    Returns
    -------
    NoteSequence
        Notes in the order of their ends, times in seconds (a step is 10 ms), instrument and program
        0, `total_time` the last end. Before the first VELOCITY a note's velocity is 100; bin b
        means velocity 4 b + 1. NOTE_OFF ends the note of its pitch that has sounded longest; if
        none sounds, it does nothing; a note of length 0 is left out. Notes still sounding end at
        the last event and last at least one step; they are ordered by start, pitch and velocity.

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
# has 962 performances to train on; in seven keys and at five speeds they become many more.
#
# Both work on the ids, so a batch needs no decoding. Be careful with the speed: scale the times of
# the events, not the gaps between them, or rounding errors add up again.


# %%
def augment(ids: np.ndarray, semitones: int, stretch: float) -> np.ndarray:
    """Transpose and stretch a performance.

    Parameters
    ----------
    ids : int array (events,)
        As `encode_performance` returns them.
    semitones : int
        Added to every pitch. A note that would leave the piano (21 to 108) goes an octave back
        inside; one that was outside before keeps its pitch.
    stretch : float
        Above 0. An event at step s moves to step floor(s × stretch + 1/2); the order stays.

    Returns
    -------
    int32 array
        Time between events is encoded as in `encode_performance`: whole 100s, then the rest. Time
        after the last event is left out.

    Raises
    ------
    ValueError
        If `stretch` is not above 0, or `semitones` is not within -12 to 12.
    """
    raise NotImplementedError("4.4")


# %% [markdown]
# ## 4.5 Crops to learn from
#
# A performance has about 19,000 events, the model reads 2,048. So you cut crops at random. If all
# crops had to lie inside the piece, its first and last events would hardly ever be learned: only
# one crop contains the first event. So crops may stick out at both ends, and padding fills what is
# missing.


# %%
def make_batches(
    tokens: np.ndarray, offsets: np.ndarray, length: int, batch_size: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut random crops without end, so that every token is equally likely to be a target.

    Piece i, tokens[offsets[i]:offsets[i + 1]], is read as START, its n tokens, END: n + 1 inputs,
    each with the token after it as target. A crop is `length` pairs in a row. Piece i has n +
    length crops, since a crop may begin up to `length` - 1 pairs before the first pair and end as
    many after the last; every crop of every piece is equally likely.

    Parameters
    ----------
    tokens : int array (all tokens,)
        Possibly memory-mapped: only what a crop needs is read.
    offsets : int array (pieces + 1,)
        Where the pieces begin, and where the last one ends.
    length, batch_size : int
    seed : int
        The same seed gives the same batches.

    Yields
    ------
    inputs, targets : int32 arrays (batch_size, length)
        A crop's pairs are on the left, `PAD` is to the right of them.

    Raises
    ------
    ValueError
        If there is no piece, or `length` or `batch_size` is below 1. At the first batch.
    """
    raise NotImplementedError("4.5")


# %% [markdown]
# ## 4.6 Windows to measure on
#
# If you want to compare losses, they must not depend on luck: every token of the validation set is
# scored exactly once. At the first tokens of a window the model has little context, which makes it
# look worse than it is. So windows may overlap, and a token is scored in the window that has more
# context before it.


# %%
def evaluation_windows(
    tokens: np.ndarray, offsets: np.ndarray, length: int, context: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows in which every token, and every piece's END, is a target exactly once.

    A piece's pairs are as in `make_batches`. Its windows begin at the pairs 0, stride, 2 stride, …
    with stride = length - context, while a window adds a pair that no earlier one scores. Each has
    `length` pairs, the last may have fewer; in all but a piece's first window the first `context`
    targets are `PAD`: they were scored before and only serve as context.

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
        Piece after piece; `PAD` to the right of shorter windows. Without pieces there are 0
        windows: both arrays have shape (0, length).

    Raises
    ------
    ValueError
        If `context` is not in 0 … length - 1.
    """
    raise NotImplementedError("4.6")


# %% [markdown]
# ## 4.7 Relative logits by the definition
#
# Attention asks of each earlier event: does it matter *what* it is? Music also asks: does it matter
# *how long ago* it was, a beat, a bar? So each distance d has a learned vector E[d], and a query
# scores a key by q · k + q · E[d]. All distances beyond the largest share one vector.
#
# This first version follows the formula. It makes a tensor of (queries, keys, head_dim), the
# vectors of all pairs: for 2,048 events and heads of 64 that is 1.1 GB in each layer, even before
# the gradient. 4.8 measures how much it is in all.
#
# **`keras.ops` in ten lines.** From here on your code also runs while Keras traces a graph. Then
# tensors have no values yet, and some sizes are unknown. The same code runs on JAX.
#
# 1. `x.shape` may hold None. Inside a layer, `ops.shape(x)` gives every size.
# 2. On a `keras.Input` it gives None too: count with `ops.cumsum(ops.ones_like(ids), axis=1) - 1`.
# 3. One size of `ops.reshape` may be -1: `ops.reshape(x, (-1, 8, 64))`.
# 4. Compute with `ops.exp(x)`, not `np.exp(x)`. NumPy is fine for constants.
# 5. Compare with `ops.less(a, b)`, `ops.equal(a, b)`: `ids == 0` on a `keras.Input` is just False.
# 6. No Python `if` on values: `ops.where(test, a, b)` by element, `ops.cond` for two branches.
# 7. No Python `while` or `for` over a tensor: `ops.while_loop`. `for` over a `range` is fine.
# 8. No change in place: `x[:2] = y` fails, `ops.slice_update(x, [0, 0], y)` returns a new tensor.
# 9. In half precision x is 16 bits wide and x + y needs one dtype: `ops.cast(y, x.dtype)`.
# 10. New tensors are float32 unless you say `ops.zeros(shape, dtype=x.dtype)`.


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
        Values at keys after the query (d < 0) have no meaning: they are masked later.

    Source: Shaw et al. (2018), section 3.2; Huang et al. (2018), section 3.4, equation 3.
    """
    raise NotImplementedError("4.7")


# %% [markdown]
# ## 4.8 The skew
#
# There are only S different vectors, so one matrix product gives every query's score with every
# distance: (T, S), but ordered by distance, so that the score of key s is in a different column in
# each row. Huang et al. found that a pad and a reshape put every score in its place, and nothing of
# size (T, S, head_dim) is ever made: for L events, it takes O(L · head_dim) besides the result
# instead of O(L² · head_dim).
#
# Both were measured (the course's `benchmarks/relative_memory.py`): how much the peak memory of a
# process rises, in MB, for the logits of one layer with 8 heads of 64, one piece, on a CPU. The
# result itself is included:
#
# | length | by the definition | by the skew | the result |
# |---|---|---|---|
# | 256 | 28 | 7 | 2 |
# | 512 | 102 | 23 | 8 |
# | 1,024 | 437 | 95 | 34 |
# | 2,048 | 1,547 | 402 | 134 |
#
# The skew takes three times the memory of its result, for its intermediate steps; 4.10 reduces
# that.


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
        Values where key s comes after query t have no meaning.

    Source: Huang et al. (2018), section 3.4.1: pad a column on the left, reshape, drop the first
    part.
    """
    raise NotImplementedError("4.8")


# %% [markdown]
# ## 4.9 The cache
#
# To generate one more event, the model needs the keys and values of the earlier ones, but not their
# computation. So they are kept, and only one row is computed for each event. But where do you put
# it? Appending it to an array of 2,000 rows copies 2,000 rows, in each layer, at each step; this
# makes simple caches slow. So the cache has two parts: an old part that is only read, and a short
# new part that is written to. When the new part is full, it moves into the old part, and positions
# further back than attention reaches are dropped: a model can play for hours.


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
        """Give the distance from `slot` back to each position of the old and the new part.

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
# This layer is the heart of the model. For 2,048 events the scores of 8 heads are 134 MB a piece in
# each layer; half of them belong to later keys and are thrown away. So you take the queries in
# chunks, each chunk with the keys up to its own end: the same result, half the work. And the
# intermediate results of a chunk need not be kept for the gradient: `keras.remat` drops them and
# computes them again when they are needed. For a step with 2 pieces of 2,048 events, 6 layers and a
# d_model of 512 that takes 3.1 GB instead of 4.2, and 17.3 seconds of CPU instead of 15.6: a tenth
# more, measured by the same benchmark.


# %%
class RelativeAttention(layers.Layer):
    """Causal self-attention with several heads that also weighs how long ago each event was.

    For each head: A = softmax((Q Kᵀ + S) / √head_dim), output = A V, with S[t, s] = Q[t] · E[d], d
    the distance t - s, at most `max_distance`. Q = x · query kernel + bias, K and V likewise;
    head_dim = d_model / num_heads. The heads' outputs together go through the output kernel and
    bias.

    A position attends to itself and to `window` - 1 positions before it, where `mask` is True.
    Elsewhere the weight is 0: subtract 1e9 from the score, in float32, before the softmax, which is
    in float32 too. The result does not depend on `CHUNK`, the number of queries in a chunk.

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
        """Attend, and return the keys and values too: later positions need them.

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
# ## 4.11 A norm that survives half precision
#
# In mixed precision, matrix products run on 16 bits and the weights stay in 32. float16 ends at
# 65,504: the square of 256 is already too much. A norm that squares its input in float16 turns a
# large activation into infinity, and its whole output into zeros. The softmax, the loss and the
# norms are few operations and cost little: compute them in float32.


# %%
class RMSNorm(layers.Layer):
    """Divide by the root mean square over the last axis, times a learned scale.

    y = x / √(mean(x²) + 1e-6) × scale, computed in float32 whatever the layer's dtype; the result
    has the layer's compute dtype. A float16 input that is 60,000 everywhere gives 1 × scale.

    Call
    ----
    x : (…, features)

    Weights
    -------
    scale (features,), initially 1; no bias.

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
# Gradients are small: below 6e-8 float16 has only 0. So the loss is multiplied by a large number
# before the gradients are taken, and they are divided by it afterwards. Which number? The largest
# that works: it is doubled from time to time; when a gradient overflows, that step is skipped and
# the number is halved.


# %%
def update_loss_scale(
    scale: float, good_steps: int, finite: bool, growth_interval: int = 2000
) -> tuple[float, int]:
    """Adapt the loss scale after a step.

    Parameters
    ----------
    scale : float
        The factor by which the loss was multiplied.
    good_steps : int
        Steps without overflow since the scale last changed, not counting this one.
    finite : bool
        Whether all gradients of this step are finite.
    growth_interval : int
        Good steps until the scale doubles.

    Returns
    -------
    scale, good_steps
        After an overflow: half the scale, but not below 1, and 0. After the `growth_interval`-th
        good step: twice the scale, and 0. Otherwise: the same scale, and one more good step.

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
        """Do for one position what `call` does for all; as `RelativeAttention.step`.

        Returns x (batch, 1, d_model), and the new parts of the keys and of the values.
        """
        raise NotImplementedError("4.13")


# %% [markdown]
# ## 4.14 The Music Transformer
#
# No position is ever added to an event: the model knows time only by distances. So a melody is the
# same melody wherever it is, and the model can read and generate pieces longer than those in its
# training.


# %%
class MusicTransformer(keras.Model):
    """Score, after each event of a performance, what may come next.

    ids → embedding × √d_model → dropout → `num_layers` × `TransformerBlock` → `RMSNorm` → the
    embedding in reverse. Logits are float32 whatever the precision.

    Parameters
    ----------
    vocab_size, d_model, num_heads, ff_dim, num_layers, max_distance : int
        As in the layers.
    window : int
        How many positions attention reaches back, its own included.
    dropout : float
    tied : bool
        Whether the output uses the embedding's weights.

    Call
    ----
    ids : int (batch, length), `PAD` to the right
        No mask is needed: attention looks back only, and `PAD` comes after everything that counts.
        `PAD` is embedded like any other id.
    training : bool or None, to be passed on to the layers: `fit` gives it to the model only

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
        """Score what may come after one more event: the logits of `call`, without its work.

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

    Step n, counted from 0, has the rate peak × min((n + 1) / warmup, √(warmup / (n + 1))). If you
    call it by hand, n is an int; in training it is an int tensor, in a function that Keras
    compiles.

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
# Cross-entropy, as in every lab. The smoothing is new: a pianist could have played something else
# at any moment, and a model that is never rewarded for being quite certain keeps other options
# open. Smoothing raises the loss that is shown, so loss is reported without it.


# %%
def masked_cross_entropy(targets, logits, smoothing: float = 0.0):
    """Mean loss over the targets that are not PAD, in nats a token.

    With smoothing s the target distribution has s / vocab_size on each id, the target and PAD
    included, and 1 - s more on the target.

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
    """Share of the targets, PAD left out, that have the largest logit.

    targets: int (batch, length); logits: float (batch, length, vocab_size). Returns a float32
    scalar; 0 if all is PAD.
    """
    raise NotImplementedError("4.17")


# %% [markdown]
# ## 4.18 Nats a note
#
# "Nats a token" depends on the encoding: with a token for each note's loudness, there are many easy
# tokens and the figure is low. Nats a note can be compared between encodings. The keyboard pieces
# have 3.91 tokens a note, MAESTRO 4.04: 2 nats a token are 7.8 and 8.1 nats a note.


# %%
def nats_per_note(nats_per_token: float, targets) -> float:
    """Turn a mean loss a token into one a note: nats × tokens / notes (NOTE_ON in targets).

    PAD counts neither as token nor as note. Without notes: infinity.
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
# ## 4.20 Generation
#
# The primer is read in one pass; generation needs only what this leaves in the cache. Randomness
# comes from outside, as noise: the argmax of logits plus Gumbel noise is a draw from their softmax,
# so the same noise gives the same piece on every backend.


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
    """Continue a batch of pieces from their primers.

    `model.read` reads the primer, and the cache begins with all of it but the last id. Then, at
    each step, `model.step` gets the last id. Forbidden ids get the logit -1e9: PAD and START; with
    `grammar` NOTE_OFF is forbidden for pitches that are not sounding: since START they were
    released as often as struck, not counting releases while they were not sounding. Then
    `filter_logits`, then argmax of logits + noise. A row is done after END; from then on it is PAD.

    Parameters
    ----------
    primers : int (batch, primer length), START first, without END or PAD
    noise : float (batch, steps, vocab_size), Gumbel distributed
        noise[:, t] decides the t-th generated id.
    temperature, top_k, top_p
        As in `filter_logits`.
    slots : int
        Slots of the cache's new part.

    Returns
    -------
    int32 tensor (batch, steps)
        The ids generated after the primer, up to and including END.

    Notes
    -----
    Written with `keras.ops` alone, so that it compiles as a whole: the steps that fill the slots
    are one `ops.while_loop`, which stops early when all rows are done.
    """
    raise NotImplementedError("4.20")
