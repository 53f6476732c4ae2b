# %% [markdown]
# # Lab 2: from numbers to words
#
# You build two sequence-to-sequence models that read digits and generate words ("1033" → "one
# thousand and thirty-three"): a GRU encoder-decoder with attention and a Transformer, both from
# their parts. Then you test them on numbers longer than any in their training. After `make lab2`,
# `make lab2-ask NUMBERS="1033 90210"` asks your models for any number.
#
# Results of the solution: exact match by greedy decoding, on numbers never seen in training, and on
# 1,000 numbers (quick: 200) of each length out of range. For the latter, both models were first
# shown 200 numbers of each length from 10 to 13 digits, mixed with numbers in range (before: 0 %
# at every length).
#
#                     make lab2              make lab2 PRESET=full
#                     GRU      Transformer   GRU      Transformer
#     updates         500      800           3,000    4,000
#     in range        99.53 %  99.86 %       99.98 %  99.98 %      full: 1 wrong of 9,993 each
#     10 digits       3.5 %    3.0 %         99.7 %   77.8 %
#     11 digits       0 %      2.5 %         99.8 %   11.6 %
#     12 digits       36.5 %   1.5 %         99.3 %   6.5 %
#     13 digits       0 %      0 %           97.4 %   2.2 %
#     14 digits       0 %      0 %           0 %      0 %          in neither training
#     still in range  98.03 %  98.16 %       99.98 %  99.84 %
#
# On 2 CPU cores the quick preset takes 193 seconds; the full one took 26 minutes with other work
# beside it. On a GPU it has not been measured.
#
# Both models learn the numbers they are shown, and neither generalises to longer numbers. The GRU
# needs 800 examples to learn four more lengths, and still fails at the fifth. The Transformer knows
# a digit's place from an absolute position, so it has to learn each new position separately.

# %%
import re
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops
from num2words import num2words

PAD, START, END = range(3)
SPECIALS = ["PAD", "START", "END"]
DIGIT_IDS = 11  # PAD, then the digits 0 to 9 as ids 1 to 10

# always in training: the numbers that have a word of their own, or are the first of their length
SPECIAL_NUMBERS = [*range(21), 30, 40, 50, 60, 70, 80, 90, 100, 1000, 10**6, 10**9]

# what German number words are put together from
GERMAN_PIECES = [
    *("null", "ein", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    *("zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn"),
    *("achtzehn", "neunzehn", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig"),
    *("achtzig", "neunzig", "hundert", "tausend", "und"),
]

# %% [markdown]
# ## 2.1 Pairs
#
# Which numbers should a model learn from? Of 100,000 numbers drawn evenly below 10^9, 89,920 have
# nine digits, 10 have five, 1 has four and none has fewer: the model would hardly ever see "seven
# thousand". Drawn log-uniformly, every length is equally likely, but there are only ten numbers of
# one digit: of 100,000 draws 39,020 are duplicates, 10,000 of them of those ten, so the numbers are
# no longer distinct. (Both counted with NumPy's `default_rng(0)`.) So each length gets an equal
# share, or all of its numbers if it has fewer: all 10, 90, 900 and 9,000 of one to four digits, and
# about 18,000 of each of five to nine.
#
# Held-out numbers are never trained on. The few numbers that have a word of their own are always in
# training, since nobody can guess "eleven".


# %%
def make_pairs(
    num_pairs: int = 100_000, max_digits: int = 9, language: str = "en", seed: int = 0
) -> dict[str, list[tuple[int, str]]]:
    """Draw distinct numbers so that every length is represented, put them in words, and split them.

    Every number of digits d = 1, 2, …, `max_digits` gets an equal share of the numbers, or all of
    its numbers if it has fewer: go through the lengths in rising order, and give each min(numbers
    of that length, numbers left // lengths left, counting this one). Within a length every number
    is equally likely. No number occurs twice.

    Parameters
    ----------
    num_pairs : int
        Pairs in all three splits together; exactly as many are returned.
    max_digits : int
        Numbers are 0 to 10**max_digits; the upper end itself is drawn only if it is special (then
        it is subtracted from `num_pairs` before the shares are computed).
    language : str
        As `num2words(number, lang=language)` takes it, such as "en", "de" or "fr".
    seed : int
        The same arguments give the same result; a different seed gives different numbers.

    Returns
    -------
    dict of lists of (number, words)
        Keys "train", "validation" and "test", disjoint, each in random order; numbers are Python
        ints, words are what num2words gives. All of `SPECIAL_NUMBERS` up to 10**max_digits are
        drawn (they count towards their length's share) and are in "train". Of the n other numbers
        of each length, n // 10 are in "validation" and as many in "test".

    Raises
    ------
    ValueError
        If num2words does not know the language, if there are fewer than `num_pairs` numbers, or if
        a length's share is too small for its special numbers.
    """
    raise NotImplementedError("2.1")


# %% [markdown]
# ## 2.2 Digits
#
# The encoder reads digits, one id each. Reject what is not a number here, with a clear message:
# otherwise a minus sign would be read as some digit, and the model would "translate" it with
# confidence.


# %%
def encode_digits(numbers: Sequence[int | str], length: int) -> np.ndarray:
    """Turn numbers into rows of digit ids, in the order in which they are written.

    Parameters
    ----------
    numbers : sequence of int or str
        Whole numbers, 0 or more. A text is read as it is, so leading zeros stay.
    length : int
        Width of the result; at least the number of digits of the longest number.

    Returns
    -------
    int32 array, shape (len(numbers), length)
        The digit d is the id d + 1; `PAD` fills each row on the right.

    Raises
    ------
    ValueError
        If a number contains anything but the digits 0 to 9 (a negative number, a decimal, a float,
        thousands separators, blanks, other scripts' digits, an empty text, True), or has more than
        `length` digits. The message is one sentence that begins with the number, cut to 20
        characters.
    """
    raise NotImplementedError("2.2")


# %% [markdown]
# ## 2.3 Words
#
# English and French separate their words, and hyphens and commas become tokens of their own, so
# "three" is the same token everywhere. German writes 777,777 as one word of 65 letters: with whole
# words as tokens, the numbers below a million would need a vocabulary of a million. So German
# compounds are split into the pieces they are made of.


# %%
def split_words(text: str, language: str = "en") -> list[str]:
    """Split number words into tokens.

    Words are separated by blanks, commas and hyphens. Each comma and each hyphen is a token of its
    own; blanks are not tokens. In German (`language` begins with "de") a word that consists of
    `GERMAN_PIECES` becomes several tokens: from left to right, take the longest piece that the rest
    of the word begins with. The first piece of a word is kept as it is; each later one gets "##" in
    front (as Devlin et al. 2019 mark WordPieces). If that fails for a word, it stays whole.

    Parameters
    ----------
    text : str
        As num2words gives it, such as "one thousand and thirty-three".
    language : str

    Returns
    -------
    list of str
        "thirty-three" → ["thirty", "-", "three"]; "one million, two" → ["one", "million", ",",
        "two"]; in German "zweihunderteins Millionen" → ["zwei", "##hundert", "##eins",
        "Millionen"].
    """
    raise NotImplementedError("2.3")


# %% [markdown]
# ## 2.4 The vocabulary
#
# English numbers up to 10^9 need 35 tokens besides the three specials.


# %%
def build_vocabulary(texts: Sequence[str], language: str = "en") -> list[str]:
    """List the tokens of all texts; a token's id is its position in the list.

    Parameters
    ----------
    texts : sequence of str
        Number words.
    language : str
        As in `split_words`.

    Returns
    -------
    list of str
        `SPECIALS` first, then every other token once, in Python's order of strings.
    """
    raise NotImplementedError("2.4")


# %% [markdown]
# ## 2.5 Teacher forcing
#
# A decoder predicts one word after another. In training it reads the right words so far, whatever
# it predicted, so all positions are trained at once. When it translates, it reads its own words.


# %%
def encode_words(
    texts: Sequence[str], vocabulary: Sequence[str], length: int, language: str = "en"
) -> tuple[np.ndarray, np.ndarray]:
    """Turn number words into what the decoder reads and what it should predict.

    With teacher forcing the decoder reads the right words so far, whatever it predicted: the input
    at a position is the target of the position before it, and the first input is START.

    Parameters
    ----------
    texts : sequence of str
        Number words.
    vocabulary : sequence of str
        As `build_vocabulary` returns it.
    length : int
        Width of the result.
    language : str
        As in `split_words`.

    Returns
    -------
    inputs : int32 array, shape (len(texts), length)
        START, then the ids of the tokens, then `PAD` to the right.
    targets : int32 array, shape (len(texts), length)
        The ids of the tokens, then END, then `PAD` to the right.

    Raises
    ------
    ValueError
        If a token is not in the vocabulary (the message names it), or a text has more than
        `length` − 1 tokens.
    """
    raise NotImplementedError("2.5")


# %% [markdown]
# ## 2.6 Back to text
#
# The inverse of splitting. It must also work on what a badly trained model generates.


# %%
def decode_words(ids: np.ndarray, vocabulary: Sequence[str]) -> list[str]:
    """Turn rows of ids, as a model generates them, into text.

    Parameters
    ----------
    ids : int array, shape (batch, length)
        A row's text ends before its first END, or with the row if it has none; `PAD` and START
        before that are skipped.
    vocabulary : sequence of str
        As `build_vocabulary` returns it.

    Returns
    -------
    list of str, one a row
        The tokens joined by blanks; then, in this order, every " ##" is removed, every " - "
        becomes "-" and every " ," becomes ",". For all number words of num2words in English, German
        and French, `decode_words(targets, vocabulary)` gives back the texts that `encode_words` was
        given.
    """
    raise NotImplementedError("2.6")


# %% [markdown]
# ## 2.7 Additive attention
#
# To write "thousand" you look at how many digits follow, not at the whole number at once. A
# decoder that gets one vector for all digits cannot look. Attention gives it all outputs of the
# encoder and, for each word, weights that say where to look. A small network scores each pair of
# decoder state and digit; softmax turns the scores into shares.
#
# Picture (pictures/2_7_attention.png): One decoder state above three memories. Bars show the scores 1.829, −0.462 and 1.386. The third
# stands at padding: it is grey, and its weight is 0. The other two weights are 0.908 and
# 0.092.
#
# $$
# \begin{aligned}
# e_{ts} &= v^\top \tanh(W s_t + U h_s) && (B, T, S) \\
# a_{ts} &= \frac{m_s \exp e_{ts}}{\sum_r m_r \exp e_{tr}} && (B, T, S) \\
# c_t &= \textstyle\sum_s a_{ts} h_s && (B, T, \text{memory's width})
# \end{aligned}
# $$
#
# $m$ is the mask: 0 at padding, else 1. Subtracting $10^9$ from a score before the softmax has the
# same effect. In code, vectors are rows: `s @ W`.
#
# **By hand.** $s = 1$. Memory: $h_1 = (1, 0)$, $h_2 = (0, 1)$, and $h_3 = (0, 0)$ at padding.
# $W = (0.5, 0.5)$, $U$ has the rows $(1, 0)$ and $(0, -1)$, $v = (1, 2)$.
#
# | | sW + hU | e | a |
# |---|---|---|---|
# | h1 | (1.5, 0.5) | 0.905 + 2·0.462 = 1.829 | 0.908 |
# | h2 | (0.5, −0.5) | 0.462 − 2·0.462 = −0.462 | 0.092 |
# | h3 | (0.5, 0.5) | 1.386, masked | 0 |
#
# The weights are (0.908, 0.092, 0), and the context is 0.908 h1 + 0.092 h2 = (0.908, 0.092).
#
# > **Predict.** Remove the mask. What share does the padding take, and what does the translation of
# > a number then depend on?
# > make answer TASK=2.7 tells.
#
# **A different result?** Weights (0.574, 0.058, 0): you masked after the softmax, and the shares
# sum to 0.632. A first weight of 0.953: the tanh is missing.
#
# **Read.** Bahdanau, Cho and Bengio, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473), section
# 3.1 and the alignments in figure 3. Luong et al.,
# [arXiv:1508.04025](https://arxiv.org/abs/1508.04025), section 3.1: scores without a hidden layer.
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
class AdditiveAttention(layers.Layer):
    """Let each decoder state look at the encoder's memory.

    score_ij = v · tanh(W s_i + U h_j); a_i = softmax over j of score_ij; c_i = Σ_j a_ij h_j.

    Positions j where the mask is False get weight 0 (exactly: subtract 1e9 from their score before
    the softmax, in float32).

    Call
    ----
    inputs : list of three tensors
        states s (batch, target length, any width), memory h (batch, source length, any width),
        mask (batch, source length), bool, True where there is a digit; at least one a row.

    Returns
    -------
    list of two tensors
        context c (batch, target length, the memory's width), and weights a (batch, target length,
        source length), float32 whatever the layer's dtype, which sum to 1 over the last axis.

    Weights
    -------
    W: `state_kernel` (states' width, units); U: `memory_kernel` (memory's width, units);
    v: `score` (units,). No biases.

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`: the
    task is to write it out.

    Source: Bahdanau, Cho and Bengio (2015), section 3.1 and appendix A.1.2.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        states, memory, _ = input_shape
        self.state_kernel = self.add_weight((states[-1], self.units), name="state_kernel")
        self.memory_kernel = self.add_weight((memory[-1], self.units), name="memory_kernel")
        self.score = self.add_weight((self.units,), name="score", initializer="random_normal")

    def call(self, inputs):
        raise NotImplementedError("2.7")


# %% [markdown]
# ## 2.8 The GRU encoder-decoder
#
# The same layers make three models: one for training, and two for translating. The encoder runs
# once for each number. The stepper runs once for each word, and all it knows of the past is in the
# states that it returns.


# %%
def build_gru_translator(
    vocab_size: int, embedding_dim: int, units: int
) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build the GRU encoder-decoder with attention: for training, and in two parts for decoding.

    Encoder: `Embedding` of the digits → `Bidirectional(GRU)`, padding masked → memory (the two
    directions' outputs side by side, zeros at padding); the decoder's first state is the two
    directions' last states side by side, through a `Dense` layer with tanh. Decoder: `Embedding` of
    the words → `GRU` → `AdditiveAttention` of its states over the memory → `Dense` with tanh over
    [state, context] → `Dense` logits. (Bahdanau et al. feed the context into the next state; with
    attention after the GRU, as Luong et al. (2015, section 3.1) place it, training needs no loop
    over attention.)

    Parameters
    ----------
    vocab_size : int
        Number of word ids.
    embedding_dim : int
        Width of both embeddings.
    units : int
        Width of each direction of the encoder, of the decoder, of the attention, and of the layer
        before the logits.

    Returns
    -------
    model : keras.Model
        [digits int (batch, source length), words int (batch, target length)] → logits (batch,
        target length, vocab_size), for any lengths. The logits at a position depend only on the
        words up to that position; `PAD` to the right of the digits changes nothing.
    encoder : keras.Model
        digits → list of states: whatever the stepper needs, each (batch, …).
    stepper : keras.Model
        [word ids int (batch, 1), *states] → [logits (batch, vocab_size), *states], with as many
        states as the encoder has, in the same order, shapes and dtypes (states that do not change
        are passed through). Started from the encoder's states and then fed its own, it gives the
        logits of `model`, position by position.

    The three are functional models that share their layers, hence their weights. Layers with
    weights are named "digit_embedding", "encoder", "bridge", "word_embedding", "decoder",
    "attention", "combine" and "logits". All of them learn: the model can learn one small batch by
    heart.

    Source: Cho et al. (2014); Bahdanau, Cho and Bengio (2015).
    """
    raise NotImplementedError("2.8")


# %% [markdown]
# ## 2.9 Positions
#
# Attention by itself does not know the order of what it looks at: "12" and "21" would be the same.
# Sines and cosines of the position add that information.


# %%
def sinusoidal_positions(length: int, depth: int) -> np.ndarray:
    """Give every position a vector of sines and cosines of falling frequency.

    P[p, 2i] = sin(p / 10000^(2i / depth)), P[p, 2i + 1] = cos(p / 10000^(2i / depth)).

    Parameters
    ----------
    length : int
        Number of positions, from 0.
    depth : int
        Width of the vectors, even.

    Returns
    -------
    float32 array, shape (length, depth)
        Sines and cosines alternate.

    Raises
    ------
    ValueError
        If `depth` is odd.

    Source: Vaswani et al. (2017), section 3.5.
    """
    raise NotImplementedError("2.9")


# %% [markdown]
# ## 2.10 Multi-head attention
#
# Each head has its own queries, keys and values, so it can look for something different. `project`
# and `attend` are separate, so that the decoder can keep the keys and values of earlier words
# instead of computing them again.


# %%
class MultiHeadAttention(layers.Layer):
    """Attend with several heads at once; each head can look for something different.

    For each head: A = softmax(Q Kᵀ / √head_dim), output = A V, with Q = queries · query kernel
    + bias, K and V likewise from the context; head_dim = d_model / num_heads. The heads' outputs
    together go through the output kernel and bias.

    Where the mask is False, or with `causal=True` where the context's position comes after the
    query's, the weight is 0 (exactly: subtract 1e9 from the score before the softmax, in float32).

    Call
    ----
    inputs : list of three tensors
        queries (batch, target length, d_model), context (batch, source length, d_model), mask
        (batch, source length), bool, True where the context may be looked at.

    Returns
    -------
    list of two tensors
        output (batch, target length, d_model), and weights A (batch, num_heads, target length,
        source length), float32 whatever the layer's dtype, which sum to 1 over the last axis.

    Weights
    -------
    Of the layers `query`, `key` and `value`: kernel (d_model, num_heads, head_dim) and bias
    (num_heads, head_dim), each mapping (batch, length, d_model) to (batch, length, num_heads,
    head_dim); of `output_projection`, kernel (num_heads, head_dim, d_model) and bias (d_model,).
    They are the weights of `keras.layers.MultiHeadAttention`, in the same order. Keras's own
    attention is not allowed, neither its layers nor `ops.dot_product_attention`: the task is to
    write it out.

    Raises
    ------
    ValueError
        If `num_heads` does not divide `d_model`.

    Source: Vaswani et al. (2017), section 3.2.
    """

    def __init__(self, d_model: int, num_heads: int, causal: bool = False, **kwargs):
        super().__init__(**kwargs)
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.head_dim, self.causal = d_model, d_model // num_heads, causal
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
        heads = self.d_model // self.head_dim
        self.output_projection.build((None, None, heads, self.head_dim))

    def project(self, context):
        """Give the context's keys and values, each (batch, length, num_heads, head_dim)."""
        raise NotImplementedError("2.10")

    def attend(self, queries, keys, values, mask):
        """Look up queries (batch, target, d_model) among keys and values that `project` gave.

        mask: bool (batch, target or 1, source). Returns [output, weights] as the call does.
        """
        raise NotImplementedError("2.10")

    def call(self, inputs):
        raise NotImplementedError("2.10")


# %% [markdown]
# ## 2.11 A block of the encoder
#
# Attention moves information between positions; the feed-forward part works on each position by
# itself. Both add their result to x.


# %%
class EncoderBlock(layers.Layer):
    """Mix the positions by self-attention, then transform each by itself.

    x ← x + dropout(attention(norm_1(x)));  x ← x + dropout(W_2 relu(W_1 norm_2(x) + b_1) + b_2).

    Normalising before each sub-layer instead of after it trains without a warm-up (Xiong et al.
    2020). Queries and context of the attention are the same norm_1(x). Dropout acts on the result
    of each sub-layer, in training only.

    Call
    ----
    inputs : list of two tensors
        x (batch, length, d_model) and mask (batch, length), bool, True where there is a token.

    Returns
    -------
    tensor (batch, length, d_model)
        Padding changes nothing at the tokens.

    Source: Vaswani et al. (2017), sections 3.1 and 3.3.
    """

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = d_model, ff_dim
        self.attention = MultiHeadAttention(d_model, num_heads, name=f"{self.name}_attention")
        self.norm_1 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")
        self.supports_masking = True

    def build(self, input_shape):
        shape = (None, None, self.d_model)
        self.attention.build([shape, shape, (None, None)])
        for layer in (self.norm_1, self.norm_2, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, inputs):
        raise NotImplementedError("2.11")


# %% [markdown]
# ## 2.12 A block of the decoder
#
# `call` is for training, all positions at once. `step` is for translating, one position at a time
# from cached keys and values. They must agree up to rounding: this is how you find out whether the
# causal mask is right.


# %%
class DecoderBlock(layers.Layer):
    """Look back at the words so far, then at the digits, then transform each position by itself.

    x ← x + dropout(self_attention(norm_1(x)))         causal
    x ← x + dropout(cross_attention(norm_2(x), memory))
    x ← x + dropout(W_2 relu(W_1 norm_3(x) + b_1) + b_2)

    Dropout acts in training only.

    Call
    ----
    inputs : list of three tensors
        x (batch, target length, d_model), memory (batch, source length, d_model), mask (batch,
        source length), bool, True where there is a digit. The memory is not normalised here.

    Returns
    -------
    list of two tensors
        x (batch, target length, d_model), and the cross-attention's weights, float32 (batch,
        num_heads, target length, source length). Later positions of x do not change earlier
        results.

    Source: Vaswani et al. (2017), section 3.1; normalised as in Xiong et al. (2020).
    """

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = d_model, ff_dim
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, causal=True, name=f"{self.name}_self_attention"
        )
        self.cross_attention = MultiHeadAttention(
            d_model, num_heads, name=f"{self.name}_cross_attention"
        )
        self.norm_1 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_2")
        self.norm_3 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_3")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")
        self.supports_masking = True

    def build(self, input_shape):
        shape = (None, None, self.d_model)
        for attention in (self.self_attention, self.cross_attention):
            attention.build([shape, shape, (None, None)])
        for layer in (self.norm_1, self.norm_2, self.norm_3, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, inputs):
        raise NotImplementedError("2.12")

    def step(self, x, position, self_keys, self_values, memory_keys, memory_values, mask):
        """Do for one position what `call` does for all, from cached keys and values.

        2.13 calls it with symbolic inputs, `keras.Input`: use `keras.ops` for what is compared.

        Parameters
        ----------
        x : (batch, 1, d_model)
        position : int (batch, 1), which position x is, from 0; each row has its own
        self_keys, self_values : (batch, max_length, num_heads, head_dim), as
            `self_attention.project` gave them at earlier positions; entries at this and later
            positions are not used
        memory_keys, memory_values : (batch, source length, num_heads, head_dim), as
            `cross_attention.project` gives them for the memory
        mask : bool (batch, source length)

        Returns
        -------
        x (batch, 1, d_model), and self_keys, self_values with this position written in.
        Nothing is dropped out.
        """
        raise NotImplementedError("2.12")


# %% [markdown]
# ## 2.13 The Transformer
#
# The same three models again, with the same interface: greedy decoding and beam search work with
# either.


# %%
def build_transformer(
    vocab_size: int,
    d_model: int,
    num_heads: int,
    ff_dim: int,
    num_layers: int,
    dropout: float,
    max_length: int,
) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Build the Transformer: for training, and in two parts for decoding.

    Encoder: `Embedding` of the digits times √d_model, plus `sinusoidal_positions`, dropout →
    `num_layers` × `EncoderBlock` → `LayerNormalization` (epsilon 1e-6) = memory. Decoder:
    `Embedding` of the words times √d_model, plus positions, dropout → `num_layers` ×
    `DecoderBlock` → `LayerNormalization` (epsilon 1e-6) → `Dense` logits. Positions count from 0 on
    the left.

    Parameters
    ----------
    vocab_size : int
        Number of word ids.
    d_model, num_heads, ff_dim, dropout
        As in the blocks; `dropout` acts on the sum of embedding and position too. In training only.
    num_layers : int
        Blocks of the encoder, and of the decoder.
    max_length : int
        The most positions on either side; the size of the caches.

    Returns
    -------
    model, encoder, stepper : keras.Model
        As `build_gru_translator` returns them; the lengths may be 1 to `max_length`. The stepper's
        states hold the keys and values of earlier positions, so that nothing is computed twice; it
        can be called `max_length` times.

    The three are functional models that share their layers, hence their weights. Layers with
    weights are named "digit_embedding", "encoder_0", "encoder_1", …, "encoder_norm",
    "word_embedding", "decoder_0", …, "decoder_norm" and "logits". All of them learn: the model can
    learn one small batch by heart.

    Source: Vaswani et al. (2017), section 3.
    """
    raise NotImplementedError("2.13")


# %% [markdown]
# ## 2.14 The loss
#
# Numbers have 2 to 23 words. A mean over all positions would mostly be a mean over padding.


# %%
def masked_cross_entropy(targets, logits):
    """Average the cross-entropy over the tokens that are not padding.

    −(1/N) Σ log softmax(logits)[target], over the N positions with `target != PAD`.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Any numeric dtype.
    logits : float tensor, shape (batch, length, vocab_size)
        Finite, of any size: no overflow at ±1e4.

    Returns
    -------
    scalar float32 tensor
        Nats per token. Every token counts the same, wherever it is: this is not a mean of the rows'
        means. 0 if all is padding. Logits at padding change neither the value nor its gradient.
    """
    raise NotImplementedError("2.14")


# %% [markdown]
# ## 2.15 Token accuracy
#
# Single tokens are easy: a model soon gets "million" and commas right.


# %%
def token_accuracy(targets, predictions):
    """Give the share of tokens that are right.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Any numeric dtype.
    predictions : tensor of ids, shape (batch, length)

    Returns
    -------
    scalar float32 tensor
        (1/N) Σ [prediction == target], over the N positions with `target != PAD`; END counts as a
        token, every token counts the same. 0 if all is padding.
    """
    raise NotImplementedError("2.15")


# %% [markdown]
# ## 2.16 Exact match
#
# What counts is whether the whole number is right: if 99 % of the words are right and a number has
# 20 words, one number in five is wrong.
#
# You can measure it without decoding: if every word is the likeliest one after the right words
# before it, greedy decoding generates exactly these words; and if it generates them, every word was
# the likeliest.


# %%
def exact_match(targets, predictions):
    """Give the share of rows in which every token is right.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Tokens, END, then `PAD`. Any numeric dtype.
    predictions : tensor of ids, shape (batch, length)

    Returns
    -------
    scalar float32 tensor
        Rows with prediction == target wherever `target != PAD`, over all rows that are not wholly
        `PAD`; 0 if there is none. Predictions after END make no difference.
    """
    raise NotImplementedError("2.16")


# %% [markdown]
# ## 2.17 Greedy decoding
#
# A loop that the compiler can see (`ops.while_loop`) becomes one program. On 2 CPU cores the
# solution decoded 5,084 numbers a second with the GRU and 2,733 with the Transformer (the course's
# `benchmarks/decoding_numbers.py`).


# %%
def greedy_decode(encoder: keras.Model, stepper: keras.Model, digits, max_length: int):
    """Generate the likeliest word at each step, from cached states, for a whole batch.

    states = encoder(digits); feed START, then each generated word, with the states that came back.
    A row is done after END. The loop stops when all rows are done, or after `max_length` steps.

    Parameters
    ----------
    encoder, stepper : keras.Model
        As `build_gru_translator` and `build_transformer` return them: encoder(digits) gives a list
        of states; stepper([ids (batch, 1), *states]) gives [logits (batch, vocab_size), *states].
        Call them as functions.
    digits : int tensor, shape (batch, source length)
        Row i's result depends on row i alone.
    max_length : int
        Most steps.

    Returns
    -------
    int32 tensor, shape (batch, max_length)
        The generated ids, without START, up to and including END; `PAD` after that. Among equal
        logits the lowest id wins.

    Notes
    -----
    Written with `keras.ops` alone (`ops.while_loop`, no Python loop over tensors and no NumPy), so
    that the whole decoding compiles to one program.
    """
    raise NotImplementedError("2.17")


# %% [markdown]
# ## 2.18 Beam search
#
# Greedy decoding cannot take a word back. Beam search keeps several beginnings until later words
# show which was best.


# %%
def beam_search(
    encoder: keras.Model,
    stepper: keras.Model,
    digits: np.ndarray,
    max_length: int,
    beam_width: int,
) -> list[list[tuple[list[int], float]]]:
    """Keep the `beam_width` likeliest beginnings at each step instead of one.

    A beginning's score is the sum of log softmax(logits) of its words, END included; there is no
    length penalty. Begin with START alone, score 0. At each step every unfinished beginning is
    continued by every id; a finished one (it ends with END) stays as it is, with its score. The
    `beam_width` best of all these are kept. Stop when all kept ones are finished, or after
    `max_length` steps. Logits may be large: no overflow at 1e3.

    Parameters
    ----------
    encoder, stepper : keras.Model
        As in `greedy_decode`; call them with `predict_on_batch`, the stepper once a step for all
        beginnings of all rows. After a step, each kept beginning takes over the states of the one
        that it continues.
    digits : int array, shape (batch, source length)
    max_length : int
        The most ids in a result, at least 1.
    beam_width : int
        At least 1. With 1 the result is that of greedy decoding; with enough, that of an exhaustive
        search.

    Returns
    -------
    list, one entry a row of digits, of lists of (ids, score), the best first
        ids: list of int without START, up to and including END if it was generated; score: float,
        at most 0. At most `beam_width` of them, all different; fewer if there are not as many
        sequences.

    Raises
    ------
    ValueError
        If `beam_width < 1`.
    """
    raise NotImplementedError("2.18")
