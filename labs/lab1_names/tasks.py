# %% [markdown]
# # Lab 1: names from countries
#
# A network reads a name letter by letter and predicts the next letter. Given a country, it
# generates names that could come from there. You build it four times: as a plain recurrent network,
# an LSTM, a GRU and a Transformer, all behind one interface, so that they can be compared.
#
# You write twelve definitions. They turn names into numbers (1.1, 1.2), add the country (1.3),
# write out three cells and two parts of a Transformer (1.4 to 1.8), build models of them (1.9),
# train these with a loss (1.10) and generate names (1.11, 1.12).
#
# The names come with Faker, one locale for each language, written in ASCII by anyascii;
# `DATA=names18` takes the 18 languages of PyTorch's tutorial. A feminine form counts as the same
# name and is left out. A name is in one split only, even if two countries share it.
#
# After `make lab1`, `make lab1-ask COUNTRY=Greece LETTERS=ABC` asks your networks for more names.
#
# Results of the solution (`make lab1`: 16 countries, 1,200 updates each, about 82,000 parameters
# each; nats a character on test names; fidelity is how often a classifier assigns a new name to the
# country asked for; of real names that it never saw it gets 75.6 % right):
#
#                  RNN     LSTM    GRU     Transformer
#     nats         1.961   1.909   1.924   1.926
#     new names    97 %    95 %    96 %    96 %
#     fidelity     64 %    69 %    67 %    72 %      each ± 2 points
#
# Gates help, but not much: names are short. The Transformer's loss is about the GRU's, yet its
# names are the most faithful. The loss counts every letter; the classifier looks for runs of
# letters that are typical of a country. The two need not agree.
#
# And on 18 languages (`make lab1 PRESET=full`: 1,500 updates each, about 500,000 parameters each;
# at the epoch with the best validation loss):
#
#                  RNN     LSTM    GRU     Transformer
#     training     1.944   1.636   1.714   1.743     without dropout
#     validation   2.208   2.117   2.141   2.142
#     test         2.202   2.111   2.133   2.146
#     best epoch   10      6       5       10        of 10
#     1st letter   2.825   2.842   2.854   2.809     test, by place in the name
#     2nd          2.014   1.902   1.928   1.859
#     3rd          2.522   2.461   2.487   2.559
#     4th, 5th     2.279   2.266   2.235   2.289
#     later        1.606   1.394   1.470   1.474
#
# Why is the Transformer no better than the GRU? It is better on the first two letters, which depend
# on the country, and worse from the third on, where the order of the earlier letters matters. A
# recurrent network has that order in its state; the Transformer has to learn what each of its 19
# positions means, from 14,379 names. It also takes longer: the GRU's best epoch was the 5th, the
# Transformer's the last.

# %%
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

import keras
import numpy as np
from keras import layers, ops

PAD, START, END = range(3)
SPECIALS = ["PAD", "START", "END"]
ARCHITECTURES = ("rnn", "lstm", "gru", "transformer")

# %% [markdown]
# ## 1.1 The vocabulary
#
# The tokens are the letters and three more: `PAD` fills rows up to one length, `START` is what the
# network reads first, and with `END` it says that a name is over.


# %%
def build_vocabulary(names: Iterable[str]) -> list[str]:
    """List the characters of the training names; a character's id is its position in the list.

    Parameters
    ----------
    names : iterable of str
        May be a generator: it is read once.

    Returns
    -------
    list of str
        `SPECIALS` first, then every character that occurs, once, by rising code point (as `sorted`
        orders them). "A" and "a" are two characters, and a space, hyphen or apostrophe is a
        character like any other.

    Raises
    ------
    ValueError
        If there are no characters: no names, or only empty ones.
    """
    raise NotImplementedError("1.1")


# %% [markdown]
# ## 1.2 From names to ids
#
# At every position the network predicts the next character, so a name of n letters gives n + 1
# predictions; the last one is END:
#
#     inputs   START  A  d  a
#     targets  A      d  a  END


# %%
def encode_names(
    names: Sequence[str], vocabulary: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode names as ids: inputs, and as targets the characters that follow them.

    A name is framed first: `framed = [START] + ids + [END]`. Its inputs are `framed[:-1]`, its
    targets `framed[1:]`: the target at a position is the input of the next one. Shorter rows are
    filled on the right with `PAD`.

    Parameters
    ----------
    names : sequence of str
        At least one. An empty name is framed like any other.
    vocabulary : sequence of str
        As `build_vocabulary` returns it.

    Returns
    -------
    inputs : int32 array, shape (names, length)
        One row a name, in their order; `length` is the longest name's number of characters + 1.
    targets : int32 array, shape (names, length)
        `inputs` shifted by one, END included.
    mask : bool array, shape (names, length)
        True where there is a target, False where there is padding.

    Raises
    ------
    ValueError
        If there are no names, or a character is not in the vocabulary (the names in `SPECIALS` are
        not characters); the message names the character and the name.
    """
    raise NotImplementedError("1.2")


# %% [markdown]
# ## 1.3 Telling the network the country
#
# One network serves all countries. Every character comes with its country: a vector with a 1 at the
# country's place and 0 elsewhere. So no step has to remember it.
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
def condition_on_country(inputs, countries, num_countries: int):
    """Append the country's one-hot vector to the input at every step.

    Parameters
    ----------
    inputs : float tensor, shape (batch, length, dim)
    countries : int tensor, shape (batch,)
        Each row's country, from 0 to `num_countries` − 1.
    num_countries : int

    Returns
    -------
    tensor of the dtype of `inputs`, shape (batch, length, dim + num_countries)
        At every step of row b: `inputs[b, t]`, then 1 at place `dim + countries[b]` and 0 at the
        places of the other countries.

    Notes
    -----
    It is used within a functional `keras.Model`, where batch and length are not known yet (None):
    use `keras.ops` only, and neither `inputs.shape[1]` nor `ops.shape`.

    Source: a conditional language model, as in Mirza and Osindero, "Conditional Generative
    Adversarial Nets" (2014), section 3.2: the condition enters as additional input.
    """
    raise NotImplementedError("1.3")


# %% [markdown]
# ## 1.4 A recurrent cell
#
# A cell is one step in time: input and state in, output and new state out. `keras.layers.RNN(cell)`
# walks it along the sequence, and the state carries what has been read so far.
#
# On its way back from a late loss to an early input, the gradient is multiplied by U (and by tanh',
# at most 1) at every step, so over many steps it vanishes or explodes. Names are short: here a
# plain network does well.


# %%
class RNNCell(keras.layers.Layer):
    """One step of a plain recurrent network; `keras.layers.RNN` walks it along a sequence.

    h' = tanh(x · W + h · U + b)

    Attributes
    ----------
    kernel : W, shape (input_dim, units)
    recurrent_kernel : U, shape (units, units)
    bias : b, shape (units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Elman, "Finding Structure in Time" (1990); weights as in `keras.layers.SimpleRNNCell`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.SimpleRNNCell` has them."""
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h], a list of one float tensor (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h'], a list, as on input
        """
        raise NotImplementedError("1.4")


# %% [markdown]
# ## 1.5 An LSTM cell
#
# The LSTM keeps a second state, the cell c. A gate scales it and something is added to it, nothing
# more. While the forget gate is 1, the gradient flows back along c unchanged. So the gate starts
# open: its bias is 1 at first, and the network learns what to forget, not what to keep.


# %%
class LSTMCell(keras.layers.Layer):
    """One step of a long short-term memory; `keras.layers.RNN` walks it along a sequence.

    With the four blocks of `units` columns of kernel, recurrent kernel and bias in the order
    input gate, forget gate, candidate, output gate:

    i = σ(x · W_i + h · U_i + b_i)
    f = σ(x · W_f + h · U_f + b_f)
    g = tanh(x · W_g + h · U_g + b_g)
    o = σ(x · W_o + h · U_o + b_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

    Attributes
    ----------
    kernel : W, shape (input_dim, 4 · units)
    recurrent_kernel : U, shape (units, 4 · units)
    bias : b, shape (4 · units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000), section
    3; weights as in `keras.layers.LSTMCell`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.LSTMCell` has them."""
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        # the forget gate begins open (Jozefowicz et al. 2015, section 3)
        self.bias = self.add_weight(shape=(width,), initializer=self.open_forget_gate, name="bias")

    def open_forget_gate(self, shape, dtype=None):
        """Give the bias its first value: 1 for the forget gate, 0 for the others."""
        return ops.repeat(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0], dtype), self.units)

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h, c], two float tensors (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h', c'], a list, as on input
        """
        raise NotImplementedError("1.5")


# %% [markdown]
# ## 1.6 A GRU cell, by either convention
#
# The GRU has one state and two gates. The update gate says how much of the old state stays, the
# reset gate how much of it the candidate may see. There are two ways to reset, and they are
# different networks: the weights of one do not fit the other.
#
# - **Before** the product: (r ⊙ h) · U. This is the published GRU (Cho et al. 2014).
# - **After** the product: r ⊙ (h · U + b'). cuDNN does this, and so do Keras and PyTorch: the three
#   products with h become one, which is fast on a GPU. It needs a second bias, inside the brackets.


# %%
class GRUCell(keras.layers.Layer):
    """One step of a gated recurrent unit, with the reset gate before or after the product.

    `keras.layers.RNN` walks it along a sequence. With the three blocks of `units` columns of
    kernel, recurrent kernel and bias in the order update gate, reset gate, candidate:

    z = σ(x · W_z + b_z + h · U_z + b'_z)
    r = σ(x · W_r + b_r + h · U_r + b'_r)
    g = tanh(x · W_g + b_g + r ⊙ (h · U_g + b'_g))    if `reset_after`
    g = tanh(x · W_g + b_g + (r ⊙ h) · U_g)           otherwise
    h' = z ⊙ h + (1 − z) ⊙ g

    Without `reset_after` there is no b'.

    Attributes
    ----------
    kernel : W, shape (input_dim, 3 · units)
    recurrent_kernel : U, shape (units, 3 · units)
    bias : [b, b'], shape (2, 3 · units), if `reset_after`; else b, shape (3 · units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Cho et al. (2014), section 2.3, resets before; `keras.layers.GRUCell`, whose weights
    these are, resets after by default. In both, z is the share of the old state that stays.
    """

    def __init__(self, units: int, reset_after: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.reset_after = reset_after
        self.state_size = units

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.GRUCell` has them."""
        width = 3 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        shape = (2, width) if self.reset_after else (width,)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h], a list of one float tensor (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h'], a list, as on input
        """
        raise NotImplementedError("1.6")


# %% [markdown]
# ## 1.7 Causal attention
#
# A Transformer has no state. Each position looks at all earlier ones: the better a key fits the
# position's query, the more of its value is taken. It must not look ahead, or it would read the
# answer: the scores of later positions are hidden before the softmax, so that the weights of the
# others still sum to 1. (Setting the weights to 0 after the softmax would lose their share.)
#
# Rows are padded on the right, so a name's characters never see padding, and no other mask is
# needed. Dividing by √head_dim keeps the spread of the scores the same for heads of any width: a
# sum of more products spreads wider, and a softmax of widely spread scores has almost no gradient.


# %%
def causal_attention(query, key, value, positions=None):
    """Scaled dot-product attention in which no position sees a later one.

    softmax(Q · Kᵀ / √head_dim, over the keys that are seen) · V

    Parameters
    ----------
    query : float tensor, shape (batch, heads, queries, head_dim)
    key, value : float tensors, shape (batch, heads, keys, head_dim)
        Key and value j are at position j.
    positions : int tensor, shape (batch, queries), optional
        The position of each query: it sees the keys from 0 to its own position, included. Without
        it, query i is at position i. A step of generation has one query; slots after its position
        are for future keys, and their contents (finite) must not matter.

    Returns
    -------
    tensor of the dtype of `query`, shape (batch, heads, queries, head_dim)
        Each query's mean of the values it sees, weighted by the softmax of its scores. Finite
        for scores up to ±1e4.

    Notes
    -----
    It is used within layers, when batch, queries and keys are not known yet (None): use
    `keras.ops` only, and `ops.shape(query)[2]`, not `query.shape[2]`. Keras's own attention is not
    allowed, neither its layers nor `ops.dot_product_attention`: the task is to write it out.

    Source: Vaswani et al., "Attention Is All You Need" (2017), sections 3.2.1 and 3.2.3.
    """
    raise NotImplementedError("1.7")


# %% [markdown]
# ## 1.8 A Transformer block
#
# Attention moves information between positions; the network after it works on each position by
# itself. Both add to their input, so the gradient always has a path around them.
#
# The key and the value of a position depend only on it and earlier positions, so they never change
# as the name grows. Kept in a cache, they make a step as cheap as a recurrent network's.


# %%
class TransformerBlock(keras.layers.Layer):
    """Causal self-attention in several heads, then a network on each position by itself.

    x = x + dropout(Attention(norm_1(x)))
    x = x + dropout(FeedForward(norm_2(x)))

    FeedForward(x) = contract(relu(expand(x))). Attention projects its input by `query`, `key` and
    `value`; head k has columns k · head_dim to (k + 1) · head_dim of each, with head_dim = dim /
    num_heads; `causal_attention` works on each head; the heads' results are joined again, in order,
    and go through `output`. Dropout comes after `output` and after `contract`, only in training.

    Attributes
    ----------
    norm_1, norm_2 : LayerNormalization
    query, key, value, output_projection : Dense (dim → dim), with bias
    expand, contract : Dense (dim → 4 · dim, relu) and Dense (4 · dim → dim)
    drop : Dropout

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`.

    Source: Vaswani et al. (2017), section 3; normalised first as in Xiong et al., "On Layer
    Normalization in the Transformer Architecture" (2020), section 3, which trains without warm-up.
    """

    def __init__(self, num_heads: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, input_shape):
        """Make the layers; `dim` is the input's, which `num_heads` must divide."""
        dim = input_shape[-1]
        if dim % self.num_heads:
            raise ValueError(f"{self.num_heads} heads do not divide {dim} dimensions")
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name="norm_1")
        self.query = layers.Dense(dim, name="query")
        self.key = layers.Dense(dim, name="key")
        self.value = layers.Dense(dim, name="value")
        self.output_projection = layers.Dense(dim, name="output")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name="norm_2")
        self.expand = layers.Dense(4 * dim, activation="relu", name="expand")
        self.contract = layers.Dense(dim, name="contract")
        self.drop = layers.Dropout(self.dropout, name="drop")
        of_dim = (self.norm_1, self.query, self.key, self.value, self.output_projection)
        for layer in (*of_dim, self.norm_2, self.expand):
            layer.build((None, None, dim))
        self.contract.build((None, None, 4 * dim))

    def call(self, inputs, cache=None, position=None, training=False):
        """Transform a whole sequence, or its next position from a cache of the earlier ones.

        Parameters
        ----------
        inputs : x, float tensor (batch, length, dim)
            With a cache: (batch, 1, dim), the one position to compute.
        cache : [keys, values], two float tensors (batch, max_length, dim), optional
            The outputs of `key` and `value` at earlier positions, heads side by side.
        position : int tensor (batch, 1)
            With a cache: the position of the input, from 0.

        Returns
        -------
        outputs : (batch, length, dim)
            The outputs at a position depend on it and earlier ones only. Computed position by
            position, from a cache of zeros, they equal those of the whole sequence.
        keys, values : (batch, length, dim), or with a cache (batch, max_length, dim)
            The outputs of `key` and `value`, heads side by side; with a cache, the cache, with the
            new keys and values written at `position`.
        """
        raise NotImplementedError("1.8")


# %% [markdown]
# ## 1.9 Four models behind one interface
#
# Training uses whole names: one call predicts at all positions. Generation goes step by step: the
# next input is not known until a character is drawn. So there are two models over the same layers.
# The step passes on a recurrent state or a cache, as a list that the caller need not understand.
# The length of a name is not known while a model is built: count positions with a running sum over
# the ids' axis, not with `ops.arange`.


# %%
def build_name_model(
    architecture: str,
    vocab_size: int,
    num_countries: int,
    embedding_dim: int,
    units: int,
    num_layers: int,
    dropout: float,
    max_length: int,
    num_heads: int = 4,
) -> tuple[keras.Model, keras.Model]:
    """Build the network twice over the same layers: for whole names, and for one step.

    `Embedding` of the ids → `condition_on_country` → `Dropout` → the architecture's layers, each
    of `units` → `Dropout` → `Dense` logits.

    - "rnn", "lstm", "gru": `num_layers` times `keras.layers.RNN` over your `RNNCell`, `LSTMCell` or
      `GRUCell` (which resets after the product).
    - "transformer": a `Dense` to `units`, to which an `Embedding` of the position is added; then
      `num_layers` times your `TransformerBlock`, with the dropout given; then a
      `LayerNormalization` (epsilon 1e-5).

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    vocab_size, num_countries : int
        Number of ids, and of countries.
    embedding_dim, units : int
        Width of the embedding, and of every layer after it.
    num_layers : int
        How many layers are stacked.
    dropout : float
        Share that each `Dropout` drops in training.
    max_length : int
        The most inputs of a name, START included, for which the Transformer has positions. The
        other architectures take any length.
    num_heads : int
        Heads of a Transformer block.

    Returns
    -------
    model : keras.Model
        [ids int (batch, length), countries int (batch,)] → logits (batch, length, vocab_size).
        Logits, not probabilities: no softmax. The logits at a position depend on the country, that
        id and earlier ones.
    stepper : keras.Model
        [id int (batch, 1), countries int (batch,), *states] → [logits (batch, vocab_size),
        *states]: as many states come out as went in, in the same order and shapes. Fed
        with zeros and then with its own states, it gives the logits of `model`, position by
        position. States, layer after layer: "rnn" and "gru" h, "lstm" h and c, each float
        (batch, units); "transformer" first the position, int32 (batch, 1), then keys and values of
        each block, float (batch, max_length, units).

    Both are functional models that share their layers, hence their weights. Before training, the
    loss is near ln `vocab_size`. Training changes every weight, and can learn a small batch by
    heart. Layers with weights are named "embedding", then "rnn_0", "rnn_1", … (for all three cells;
    the cells themselves "cell_0", …), or "widen", "positions", "block_0", "block_1", …, "norm";
    then "logits".

    Raises
    ------
    ValueError
        If there is no such architecture; the message names it.
    """
    raise NotImplementedError("1.9")


# %% [markdown]
# ## 1.10 The loss
#
# The loss is in nats a character. Its exponential says among how many equally likely characters the
# network hesitates. A uniform guess among 56 costs ln 56 = 4.03.


# %%
def nats_per_character(targets, logits):
    """Average the cross-entropy over the characters, END among them, that are not padding.

    −(1/N) Σ log softmax(logits)[target], over the N positions with `target != PAD`.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Any numeric dtype (Keras hands targets to a loss as float32).
    logits : float tensor, shape (batch, length, vocab_size)
        Finite, of any size: no overflow at ±1e4.

    Returns
    -------
    scalar float32 tensor
        Nats (natural logarithm) a character. Every character counts the same: this is not a mean
        of the rows' means, in which a short name's characters would weigh more. 0 if all is
        padding. Logits at padding change neither the value nor its gradient.
    """
    raise NotImplementedError("1.10")


# %% [markdown]
# ## 1.11 Sampling
#
# Always taking the likeliest character gives one name for each country. Drawing in proportion to
# the probabilities generates what the network has learned, its mistakes included: if a step goes
# wrong once in twenty, every third name of eight letters is spoiled. A temperature below 1 draws
# likely characters even more often.


# %%
def sample_next(
    logits: np.ndarray,
    temperature: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Draw one id a row from softmax(logits / temperature), `PAD` and `START` left out.

    Parameters
    ----------
    logits : float array, shape (batch, vocab_size)
        −inf means never. Every row has a finite entry besides `PAD` and `START`. Not changed.
    temperature : float
        Below 1 sharpens, above 1 flattens. 0 is argmax (the lowest id among equals), and so is
        the limit: very small temperatures neither overflow nor give NaN.
    seed : int, numpy.random.Generator or None
        As `numpy.random.default_rng` takes it: an int gives the same draw each time, a generator
        goes on from where it is.

    Returns
    -------
    int32 array, shape (batch,)
        Rows are drawn independently. `PAD` and `START` are never drawn, whatever their logits; the
        others keep their proportions.

    Raises
    ------
    ValueError
        If `temperature < 0` or not a number.

    Source: Ackley, Hinton and Sejnowski (1985), section 2, for the temperature.
    """
    raise NotImplementedError("1.11")


# %% [markdown]
# ## 1.12 Names for countries
#
# Ten names for each country are one batch: 160 names take the network hardly longer than one. A
# start letter is fed as if it had been drawn.


# %%
def generate_names(
    stepper: keras.Model,
    vocabulary: Sequence[str],
    countries: Sequence[str],
    wanted: Sequence[str],
    starts: Sequence[str] | None = None,
    max_length: int = 20,
    temperature: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> list[str]:
    """Generate one name for each country wanted, all at once.

    Feed START, from states of zeros; then draw the next id from the logits with `sample_next`, feed
    it with the states that came back, and so on. Nothing is read twice: every position costs one
    call of the stepper for the whole batch. While a row's start has characters left, feed them
    instead of what is drawn.

    Parameters
    ----------
    stepper : keras.Model
        As `build_name_model` returns it; call it with `predict_on_batch`. The states' shapes and
        dtypes follow from `stepper.inputs[2:]`.
    vocabulary, countries : sequences of str
        What ids and country numbers mean.
    wanted : sequence of str
        A country for each name to generate; the same one ten times gives ten names.
    starts : sequence of str, optional
        For each name the letter or letters it begins with; "" means any. Without `starts`, any for
        all.
    max_length : int
        The most characters of a name, at least 1: a name that has not ended by then ends there.
    temperature
        As in `sample_next`.
    seed : int, numpy.random.Generator or None
        One generator serves all steps: the same int gives the same names.

    Returns
    -------
    list of str
        The names, in the order of `wanted`, without START and END. No name is empty: END is never
        drawn as the first character. One name's end does not end the others. If no countries are
        wanted, the list is empty.

    Raises
    ------
    ValueError
        If a country wanted is not in `countries` (the message names it, and the nearest country if
        `difflib.get_close_matches` finds one), a start has a character that is not in the
        vocabulary (the message names it) or more than `max_length` characters, or there are not as
        many starts as countries.
    """
    raise NotImplementedError("1.12")
