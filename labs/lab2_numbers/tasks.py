# %% [markdown]
# # Lab 2: from numbers to words
#
# "1033" goes in, "one thousand and thirty-three" comes out. You build two sequence-to-sequence
# models that do this, both from their parts: a GRU encoder-decoder with attention, and a
# Transformer. Then you test them on numbers longer than any in their training. After `make lab2`,
# `make lab2-ask NUMBERS="1033 90210"` asks your models for any number.
#
# Picture (pictures/0_frame.png): Digits become ids, and an encoder turns them into a memory of one vector a digit. A decoder
# reads the words so far, looks at the memory by attention and gives the next word, which it reads
# in its turn. Each part carries its task's number.
#
# | tasks | what you build | hours |
# |---|---|---|
# | 2.1 to 2.6 | number pairs, and text as ids | 3.5 |
# | 2.7, 2.8 | attention, the GRU encoder-decoder | 2.5 |
# | 2.9 to 2.13 | the Transformer | 4.5 |
# | 2.14 to 2.16 | loss, accuracy, exact match | 1 |
# | 2.17, 2.18 | greedy decoding, beam search | 2.5 |
#
# **You should know** Python, NumPy, and what softmax, an embedding and a GRU are (Lab 1, or [Dive
# into Deep Learning](https://d2l.ai/chapter_recurrent-modern/index.html)).
#
# Results of the solution: exact match by greedy decoding, on numbers never seen in training, and on
# 1,000 numbers (quick: 200) of each length out of range. For the latter, both models were first
# shown 200 numbers of each length from 10 to 13 digits, mixed with numbers in range (before: 0 % at
# every length).
#
# | | GRU, quick | Transformer, quick | GRU, full | Transformer, full |
# |---|---|---|---|---|
# | updates | 500 | 800 | 3,000 | 4,000 |
# | in range (full: 1 wrong of 9,993 each) | 99.53 % | 99.86 % | 99.98 % | 99.98 % |
# | 10 digits | 3.5 % | 3.0 % | 99.7 % | 77.8 % |
# | 11 digits | 0 % | 2.5 % | 99.8 % | 11.6 % |
# | 12 digits | 36.5 % | 1.5 % | 99.3 % | 6.5 % |
# | 13 digits | 0 % | 0 % | 97.4 % | 2.2 % |
# | 14 digits (in neither training) | 0 % | 0 % | 0 % | 0 % |
# | still in range | 98.03 % | 98.16 % | 99.98 % | 99.84 % |
#
# Quick is `make lab2`, full is `make lab2 PRESET=full`. The quick preset takes about 175 CPU
# seconds on an idle machine (317 with other work beside it); the full one took 26 minutes on 2 CPU
# cores with other work beside it. On a GPU it has not been measured.
#
# Both models learn the numbers they are shown, and neither generalises to longer numbers. The GRU
# needs 800 examples to learn four more lengths, and still fails at the fifth. The Transformer knows
# a digit's place from an absolute position, so it has to learn each new position separately.
#
# **Three questions**, to be answered in at most 120 words each; they give no points.
#
# 1. Why can 99 % of words right mean one number in five wrong? When is it fewer?
# 2. What did 800 long examples teach the GRU and not the Transformer? Which test would tell?
# 3. Where are the limits of your approach? Name one change, and what you expect of it.
#
# **Further reading.** [The Annotated
# Transformer](https://nlp.seas.harvard.edu/annotated-transformer/): the paper, line by line.
# [Attention and Augmented Recurrent Neural Networks](https://distill.pub/2016/augmented-rnns/), in
# moving pictures. Lake and Baroni, [arXiv:1711.00350](https://arxiv.org/abs/1711.00350): networks
# that fail at longer sequences.

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
# thousand". Drawn log-uniformly (the logarithm is even), every length is equally likely, but there
# are only ten numbers of one digit: of 100,000 draws 39,020 are duplicates, 10,000 of them of those
# ten, so the numbers are no longer distinct. (Both counted with NumPy's `default_rng(0)`.) So each
# length gets an equal share, or all of its numbers if it has fewer: all 10, 90, 900 and 9,000 of
# one to four digits, and about 18,000 of each of five to nine.
#
# Picture (pictures/2_1_shares.png): Bars: how many of 20,000 numbers have one to nine digits, on a logarithmic scale. Drawn evenly,
# they grow tenfold with each digit, and short ones are missing. Drawn log-uniformly they are equal,
# but most short numbers are duplicates. make_pairs has no duplicates, and equal bars from four
# digits on.
#
# Held-out numbers are never trained on. The few numbers that have a word of their own (the special
# ones) are always in training: nobody can guess "eleven".
#
# $$
# n_d = \min\left(N_d, \left\lfloor \frac{R_d}{D - d + 1} \right\rfloor\right)
# $$
#
# $n_d$ numbers of $d$ digits are drawn. $N_d$ exist, $R_d$ are left to be given, and $D$ is
# `max_digits`.
#
# **By hand.** 201 numbers, $D = 3$. 1000 is special, so it is drawn first, and 200 are left.
#
# | d | left / lengths left | exist | share | special | others | held out, each |
# |---|---|---|---|---|---|---|
# | 1 | 200 / 3 | 10 | 10 | 10 | 0 | 0 |
# | 2 | 190 / 2 | 90 | 90 | 19 | 71 | 7 |
# | 3 | 100 / 1 | 900 | 100 | 1 | 99 | 9 |
#
# So 16 are in validation, 16 in test, and 169 in training.
#
# > **Predict.** With 100,000 pairs of up to nine digits, how many numbers have five digits, and how
# > many have six?
# > make answer TASK=2.1 tells.
#
# **A different result?** 66 of two digits and 66 of three: the share was fixed before the loop, and
# what one length leaves is lost. 17 in validation: a tenth of all was held out, not of each length.
#
# **Read.** [Generalization in Dive into Deep
# Learning](https://d2l.ai/chapter_linear-regression/generalization.html): why numbers are held out.


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
# confidence. Short rows end in padding, id 0.
#
# **By hand.** With `length` 5, 1033 is (2, 1, 4, 4, 0), and "007" is (1, 1, 8, 0, 0).
#
# **A different result?** (1, 0, 3, 3, 0): the digit 0 has got the id of padding, and nobody can
# tell "10" from "1". (8, 0, 0, 0, 0): the text "007" went through `int`, which drops its zeros.


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
# compounds are split into the pieces they are made of. The numbers below 1,000 then need 59 tokens
# in place of 1,000.
#
# Picture (pictures/2_3_pieces.png): The German word for 777,000, and below it six boxes: sieben, ##hundert, ##sieben, ##und,
# ##siebzig, ##tausend. Only the first has no mark.
#
# The two marks `##` say: this piece is glued to the one before it. So the text can be put together
# again, and "hundert" as a word and "hundert" inside a word stay different tokens.
#
# **By hand.** "forty-two" gives `forty - two`. "zweihunderteins" gives `zwei ##hundert ##eins`: at
# the end, both "ein" and "eins" are pieces that fit, and the longer one is taken.
#
# > **Predict.** How many tokens does German need for 777,777?
# > make answer TASK=2.3 tells.
#
# **A different result?** 547 tokens for the numbers below 1,000, with "zweihunderteins" left whole:
# "ein" was tried before "eins", which left an "s". `##zwei ##hundert ##eins`: a word's first piece
# has no mark.
#
# **Read.** Devlin et al., [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), section 3, and the
# Hugging Face course on [WordPiece](https://huggingface.co/learn/llm-course/chapter6/6), which
# learns its pieces from data.


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
# Each token gets an id: its place in a list. If ids changed between runs, saved weights would
# belong to other words; so the list is sorted. English numbers up to 10^9 need 35 tokens besides
# the three specials.
#
# **By hand.** "forty-two" and "two thousand" give 7 tokens: `PAD` is 0, START and END follow, `-`
# is 3, forty comes next, `thousand` is 5 and `two` is 6.
#
# **A different result?** `PAD` is 2: the specials were sorted in among the words. 11 tokens at a
# second call: the list `SPECIALS` itself has grown.


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
# it predicted, so all positions are trained at once. This is called teacher forcing. When the
# decoder translates, it reads its own words. One array is the other shifted by one place. Without
# the shift a model only learns to copy.
#
# Picture (pictures/2_5_shift.png): Two rows of cells. Below: START, thirty, hyphen, three, PAD, which the decoder reads. Above:
# thirty, hyphen, three, END, PAD, which it should predict. Dashed arrows lead from each target to
# the next input.
#
# $$
# \begin{aligned}
# \text{inputs} &= \text{START}, w_1, \dots, w_n, \text{PAD}, \dots && (B, T) \\
# \text{targets} &= w_1, \dots, w_n, \text{END}, \text{PAD}, \dots && (B, T)
# \end{aligned}
# $$
#
# A batch has $B$ rows of $T$ positions, and $w_1$ to $w_n$ are the ids of a row's tokens. START
# gives the decoder something to read before the first word; END lets it say that the number is
# complete.
#
# **By hand.** The vocabulary is `PAD START END - thirty three`, and $T = 6$. Then "thirty-three"
# gives the inputs (1, 4, 3, 5, 0, 0) and the targets (4, 3, 5, 2, 0, 0).
#
# > **Predict.** Leave out the shift, so that the targets are the inputs. Which loss does the model
# > reach, and what does it generate after START?
# > make answer TASK=2.5 tells.
#
# **A different result?** Inputs (1, 4, 3, 5, 2, 0): END has got into the inputs; nothing follows
# it, so the decoder never reads it. Targets (1, 4, 3, 5, 0, 0): there is no shift.
#
# **Read.** Bengio et al., [arXiv:1506.03099](https://arxiv.org/abs/1506.03099), section 2: what
# goes wrong when a model that was taught so must read its own mistakes. [Dive into Deep
# Learning](https://d2l.ai/chapter_recurrent-modern/seq2seq.html), on sequence to sequence.


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
# The inverse of splitting. It must also work on what a badly trained model generates: a row without
# END, or with START in the middle. The order matters: first join the tokens with blanks, then
# remove the blanks that no language writes.
#
# **By hand.** `zwei ##hundert ##eins END` becomes zweihunderteins. `START six END thousand` becomes
# six.
#
# **A different result?** zwei hundert eins: the marks are gone and the blanks before them are not.
# six thousand: what follows END was read too.


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
# To write "thousand" you look at how many digits follow, not at the whole number at once. A decoder
# that gets one vector for all digits cannot look. After 500 updates the GRU of 2.8 has 12.0 % of
# 3,000 new numbers right without attention, and 99.5 % with it. Attention gives the decoder all
# outputs of the encoder, the memory, and for each word weights that say where to look. A small
# network scores each pair of decoder state and digit; softmax turns the scores into shares.
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
# There are $T$ words and $S$ digits. $m$ is the mask: 0 at padding, else 1. Subtracting $10^9$ from
# a score before the softmax has the same effect. In code, vectors are rows: `s @ W`.
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
#
# Picture (pictures/2_8_models.png): Above, the model for training: digits and words in, logits of all positions out. Below, two
# models of the same layers: the encoder gives states; the stepper takes a word and states, and
# gives logits and new states.
#
# The encoder is bidirectional: one GRU reads from the left, another from the right, so that at each
# digit the memory knows both sides.
#
# $$
# \begin{aligned}
# h, f, b &= \text{BiGRU}(\text{digits}) && (B, S, 2n), (B, n), (B, n) \\
# s_0 &= \tanh(W_b [f, b] + b_b) && (B, n) \\
# s_t &= \text{GRU}(w_t, s_{t-1}) && (B, T, n) \\
# c_t &= \text{attention}(s_t, h) && (B, T, 2n) \\
# y_t &= W_y \tanh(W_c [s_t, c_t] + b_c) + b_y && (B, T, V)
# \end{aligned}
# $$
#
# $f$ and $b$ are the last states of the two directions, $w_t$ is a word's embedding, and $y$ are
# the logits.
#
# **By hand.** Check your layers by their weights: embeddings of 32, $n = 128$, $V = 38$. Keras's
# GRU has $3n(x + n + 2)$ weights for inputs of width $x$.
#
# | layer | weights |
# |---|---|
# | encoder | 2·3·128·(32 + 128 + 2) = 124,416 |
# | bridge, $W_b$ | (256 + 1)·128 = 32,896 |
# | decoder | 3·128·(32 + 128 + 2) = 62,208 |
# | attention | (128 + 256)·128 + 128 = 49,280 |
# | combine, $W_c$ | (128 + 256 + 1)·128 = 49,280 |
# | logits, $W_y$ | (128 + 1)·38 = 4,902 |
#
# With the embeddings, 11·32 and 38·32, all three models together have 324,550.
#
# After training, the GRU looks where you would. For "and" it looks at the 0: there are no hundreds.
#
# Picture (pictures/2_8_attention.png): The trained GRU's weights for 1033: "one" looks at the 1 with 0.98, "and" at the 0 with 0.73,
# "thirty" at the first 3 with 0.90, "three" at the last 3 with 0.95. END looks at all
# four.
#
# > **Predict.** Let the stepper return the state that it was given. Which word is right all the
# > same?
# > make answer TASK=2.8 tells.
#
# **A different result?** 422,854 weights: one GRU of width 256 in place of two directions. 386,758:
# the stepper has a GRU of its own, which no training reaches.
#
# **Read.** Cho et al., [arXiv:1406.1078](https://arxiv.org/abs/1406.1078), section 2, where the GRU
# comes from. [Dive into Deep
# Learning](https://d2l.ai/chapter_attention-mechanisms-and-transformers/bahdanau-attention.html), a
# close relative in PyTorch.


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

    The three are functional models, `keras.Model(inputs, outputs)`, that share their layers, hence
    their weights. Layers with weights are named "digit_embedding", "encoder", "bridge",
    "word_embedding", "decoder", "attention", "combine" and "logits". Every weight is trained: the
    model can learn one small batch by heart.

    Source: Cho et al. (2014); Bahdanau, Cho and Bengio (2015).
    """
    raise NotImplementedError("2.8")


# %% [markdown]
# ## 2.9 Positions
#
# Attention by itself does not know the order of what it looks at: "12" and "21" would be the same.
# Without positions, the Transformer of the quick preset has 0.5 % of 3,000 new numbers right after
# 800 updates; with them, 99.9 %. Sines and cosines of the position add that information. Fast ones
# tell neighbours apart, slow ones tell beginning from end, like the hands of a clock.
#
# Picture (pictures/2_9_sinusoids.png): Left, the table as an image: in the first columns stripes change with every position, in the
# last ones hardly at all. Right, the dot product of two positions by their distance: the curves
# from position 8 and from position 24 lie on each other, highest at distance
# 0.
#
# $$
# \begin{aligned}
# \omega_i &= 10000^{-2i / d} && i = 0, \dots, d/2 - 1 \\
# P_{p, 2i} &= \sin(\omega_i p) && (\text{length}, d) \\
# P_{p, 2i + 1} &= \cos(\omega_i p)
# \end{aligned}
# $$
#
# Why pairs? Since $\sin a \sin b + \cos a \cos b = \cos(a - b)$, the product of two positions is
# $P_p \cdot P_q = \sum_i \cos(\omega_i (p - q))$. It depends on their distance alone, so attention
# can learn "the digit before this one" once for all places.
#
# **By hand.** $d = 4$, so $\omega_0 = 1$ and $\omega_1 = 0.01$. Position 0 is (0, 1, 0, 1), and
# position 1 is $(\sin 1, \cos 1, \sin 0.01, \cos 0.01)$ = (0.841, 0.54, 0.01, 1), to three digits.
#
# > **Predict.** $P_0 \cdot P_2$ is 0.584. What is $P_3 \cdot P_5$?
# > make answer TASK=2.9 tells.
#
# **A different result?** (0.841, 0.54, 0.1, 0.995): the exponent is $i / d$, half of what it should
# be. (0.841, 0.01, 0.54, 1): all sines come first; they should alternate with the cosines.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.5.
# [Kazemnejad](https://kazemnejad.com/blog/transformer_architecture_positional_encoding/), step by
# step.


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
# One set of weights gives one mixture. To write "thirty" in 1033 you need the digit 3 and its
# place: two looks. Each head has its own queries, keys and values, so it can look for something
# different. A query says what is looked for, a key what a position offers, a value what it hands
# over. `project` and `attend` are separate, so that the decoder can keep the keys and values of
# earlier words instead of computing them again.
#
# Picture (pictures/2_10_heads.png): Queries, keys and values, eight columns wide, are cut into two heads. Each head's queries and
# keys give weights, these mix its four columns of values, and the results stand side by side before
# the output kernel.
#
# $$
# \begin{aligned}
# q, k, v &= x W_q + b_q, z W_k + b_k, z W_v + b_v && (B, T \text{ or } S, \text{heads}, n) \\
# e_{ts} &= \frac{q_t \cdot k_s}{\sqrt{n}} && (B, \text{heads}, T, S) \\
# a &= \text{softmax}(e) \text{ over } s, \text{masked} && (B, \text{heads}, T, S) \\
# o_t &= \textstyle\sum_s a_{ts} v_s && (B, T, \text{heads}, n)
# \end{aligned}
# $$
#
# The queries come from $x$, keys and values from $z$, the context, and $n$ is `head_dim`. The heads
# side by side go through the output kernel.
#
# **By hand.** $d = 8$, two heads of 4, every kernel the identity. The query is (2, 0, 0, 0
# | 0, 4, 0, 0). Contexts: $z_1$ = (1, 0, 0, 0 | 0, 0, 0, 0), $z_2$ = (0, 0, 0, 0 | 0, 1, 0, 0), and
# $z_3$, padding.
#
# | head | scores | weights |
# |---|---|---|
# | 1 | 2/2 = 1, 0 | (0.731, 0.269, 0) |
# | 2 | 0, 4/2 = 2 | (0.119, 0.881, 0) |
#
# Output: (0.731, 0, 0, 0, 0, 0.881, 0, 0). With `causal=True` a position does not see later ones:
#
# Picture (pictures/2_10_causal.png): Weights of two causal heads for five positions, the last one padding: zero above the diagonal
# and in the last column. Each row sums to 1.
#
# > **Predict.** $q$ and $k$ have 64 independent numbers of variance 1. What is the standard
# > deviation of $q \cdot k$, and what after the division?
# > make answer TASK=2.10 tells.
#
# **A different result?** Weights 0.881 and 0.982: no scale. 0.67 in head 1: you divided by
# $\sqrt{8}$, the model's width.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.2. [The
# Illustrated Transformer](https://jalammar.github.io/illustrated-transformer/), many drawings.


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
    head_dim), as `keras.layers.EinsumDense` can; of `output_projection`, kernel (num_heads,
    head_dim, d_model) and bias (d_model,).
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
# itself. Both add their result to x. So x is a stream that no layer interrupts: the gradient flows
# back along it unchanged, and blocks can be stacked. What goes into a part is normalised first:
# each position's numbers get mean 0 and variance 1, so no part receives numbers that have grown
# from block to block.
#
# Picture (pictures/2_11_block.png): A bold line x from left to right. A branch leaves it, passes norm_1 and self-attention, and is
# added back; a second branch passes norm_2, expand, relu and contract, and is added back
# too.
#
# $$
# \begin{aligned}
# x' &= x + \text{attention}(\text{norm}_1(x)) && (B, S, d) \\
# x'' &= x' + W_2 \text{relu}(W_1 \text{norm}_2(x') + b_1) + b_2 && (B, S, d)
# \end{aligned}
# $$
#
# $W_1$ widens to `ff_dim`, $W_2$ comes back to $d$. Dropout, which sets a random share of numbers
# to 0 in training, acts on what is added.
#
# **By hand.** One position, $x = (1, 3)$. All four kernels of the attention are the identity.
# `expand` takes the second number alone, and `contract` multiplies what it gets by $(2, 1)$.
#
# | | | |
# |---|---|---|
# | norm_1(x) | mean 2, deviation 1 | (−1, 1) |
# | x′ | attention sees one position | (1, 3) + (−1, 1) = (0, 4) |
# | norm_2(x′) | mean 2, deviation 2 | (−1, 1) |
# | x″ | relu(1) = 1 | (0, 4) + (2, 1) = (2, 5) |
#
# > **Predict.** Exchange two positions of x, without padding. What happens to the block's result?
# > What does that say about 2.9?
# > make answer TASK=2.11 tells.
#
# **A different result?** (1, 2): the first part's result replaces x. (−1, 1): the sums are
# normalised, as in the first paper. (4, 7): keys and values come from x as it is.
#
# **Read.** Xiong et al., [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3: why the
# norm goes first. [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/),
# its encoder.


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
# causal mask is right. No training curve shows a wrong mask: the model reads the answer, and the
# loss falls.
#
# Picture (pictures/2_12_block.png): The line x with three branches: causal self-attention, cross-attention, feed-forward. Above the
# first lies a row of cells: the keys and values of "one" and "thousand" are kept, "and" is new, two
# are empty. Above the second lie those of the digits 1, 0, 3, 3.
#
# $$
# \begin{aligned}
# x' &= x + \text{self-attention}(\text{norm}_1(x)), \text{causal} && (B, T, d) \\
# x'' &= x' + \text{cross-attention}(\text{norm}_2(x'), \text{memory}) && (B, T, d) \\
# x''' &= x'' + W_2 \text{relu}(W_1 \text{norm}_3(x'') + b_1) + b_2 && (B, T, d)
# \end{aligned}
# $$
#
# Self-attention looks at the words so far, cross-attention at the digits. In a step $T$ is 1, and
# the cache has room for `max_length` positions.
#
# **By hand.** Words (1, 3) and (3, 1); memory (1, 0), (0, 1) and (2, 5), the last at padding. The
# query kernels are 0, so all scores are equal and attention takes means; the other kernels hand on;
# the feed-forward part adds 0. The norms are (−1, 1) and (1, −1).
#
# | word | + self-attention | + cross-attention |
# |---|---|---|
# | 1 | (1, 3) + (−1, 1) = (0, 4) | + (0.5, 0.5) = (0.5, 4.5) |
# | 2 | (3, 1) + mean (0, 0) = (3, 1) | + (0.5, 0.5) = (3.5, 1.5) |
#
# `step`, first with position 0, then with position 1 and the cache it gave back, must find the
# same.
#
# > **Predict.** A number takes 23 steps. For how many words in all does one block compute keys with
# > the cache, and for how many if every step reads all words again?
# > make answer TASK=2.12 tells.
#
# **A different result?** Word 1 is (1.5, 3.5): it sees word 2. (1, 6): padding is in the mean.
# `step` gives (1.25, 3.75): it looks at the empty part of the cache too.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.1. [Dive
# into Deep
# Learning](https://d2l.ai/chapter_attention-mechanisms-and-transformers/transformer.html): the
# whole decoder.


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
        There is no dropout here.
        """
        raise NotImplementedError("2.12")


# %% [markdown]
# ## 2.13 The Transformer
#
# The same three models again, with the same interface: greedy decoding and beam search work with
# either. The picture of 2.8 holds here too; only the states differ. They are the position, the
# digits' mask, and of each block four tensors: keys and values of the words (cached) and of the
# digits (made once).
#
# $$
# \begin{aligned}
# x_p &= \sqrt{d} \cdot E_{w_p} + P_p && (B, T, d) \\
# x &\leftarrow \text{block}_i(x), i = 0, 1, \dots && (B, T, d) \\
# y &= W_y \text{norm}(x) + b_y && (B, T, V)
# \end{aligned}
# $$
#
# $E$ is the table of embeddings. Its vectors begin small, and the factor $\sqrt{d}$ lets them count
# beside the positions.
#
# **By hand.** $d = 4$, one block on each side whose weights are all 0, so it adds nothing. All
# words have the embedding (1, 0, 0, 0), and the logits are the four numbers of the last norm. First
# word:
#
# | | |
# |---|---|
# | √4·(1, 0, 0, 0) + (0, 1, 0, 1) | (2, 1, 0, 1) |
# | minus the mean, 1 | (1, 0, −1, 0) |
# | divided by the deviation, √0.5 | (1.414, 0, −1.414, 0) |
#
# So the first logit is 1.414. And of the quick preset ($d = 64$, four heads, `ff_dim` 256, two
# blocks, $V = 38$) a block of the encoder has 49,984 weights, one of the decoder 66,752, and the
# whole model 239,334.
#
# > **Predict.** Keras draws embeddings evenly from −0.05 to 0.05. At $d = 64$, what is larger at
# > the start: $\sqrt{d} \cdot E$ or $P$? (Compare standard deviations; that of an even draw from
# > $-a$ to $a$ is $a / \sqrt{3}$.)
# > make answer TASK=2.13 tells.
#
# **A different result?** 0.577: the factor $\sqrt{d}$ is missing. 1.636: positions count from 1.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), sections 3.1 and
# 3.4. [keras.io](https://keras.io/examples/nlp/neural_machine_translation_with_transformer/): a
# translator from English to Spanish, built from the same parts.


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

    The three are functional models, `keras.Model(inputs, outputs)`, that share their layers, hence
    their weights. Layers with weights are named "digit_embedding", "encoder_0", "encoder_1", …,
    "encoder_norm", "word_embedding", "decoder_0", …, "decoder_norm" and "logits". All of them
    learn: the model can learn one small batch by heart.

    Source: Vaswani et al. (2017), section 3.
    """
    raise NotImplementedError("2.13")


# %% [markdown]
# ## 2.14 The loss
#
# Numbers have 2 to 23 tokens, END counted, and all rows are as wide as the longest: 34 % of the
# positions in our training rows are padding, and of a short number's row, such as "seven", 21 of 23
# are. A mean over all positions would count them. So padding is left out, above and below the
# fraction line.
#
# Picture (pictures/2_14_padding.png): Three rows of eight cells: "seven END", "forty - two END" and "one thousand and thirty - three
# END" are blue; the eleven cells after them are grey padding.
#
# $$
# \begin{aligned}
# \log p_{bt} &= y_{btw} - \log \textstyle\sum_v \exp y_{btv} && (B, T) \\
# L &= -\frac{\sum_{bt} m_{bt} \log p_{bt}}{\sum_{bt} m_{bt}} && \text{one number}
# \end{aligned}
# $$
#
# $y$ are the logits and $p$ is what the softmax gives the right token $w$; $m$ is 0 at padding,
# else 1. The unit is the nat, since the logarithm is natural. A loss of $L$ nats means that the
# right token gets $e^{-L}$ on average (the geometric mean).
#
# **By hand.** Row 1: three tokens, each with $p = 0.5$. Row 2: one token with $p = 0.125$, then two
# positions of padding. $-\ln 0.5 = 0.693$ and $-\ln 0.125 = 2.079$, so
# $L = (3 \cdot 0.693 + 2.079) / 4$ = 1.04.
#
# > **Predict.** A model that knows nothing gives all 38 words the same logit. What is its loss?
# > make answer TASK=2.14 tells.
#
# **A different result?** 1.386: rows were averaged first, so the token of the short row counts as
# much as three others. 0.693: the sum was divided by all six positions. 1.155: padding is in the
# sum too (with four words of equal logits there).
#
# **Read.** [Dive into Deep
# Learning](https://d2l.ai/chapter_linear-classification/softmax-regression.html): cross-entropy,
# and what a nat is.


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
# Single tokens are easy: a model soon gets "million" and commas right. The share of right tokens
# rises early, so it shows first that a model learns at all. Count as the loss does: the same mask,
# the same denominator.
#
# **By hand.** Targets "six END" and "six thousand END", predictions "six END" and "six six END",
# each in rows of four. 4 of 5 tokens are right: 0.8.
#
# **A different result?** 0.5: padding is in the denominator. 0.833: rows were averaged first.


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
#
# $$
# p_{\text{exact}} \approx p_{\text{token}}^n \text{ for } n \text{ tokens}, \quad 0.99^{20} = 0.818
# $$
#
# That holds if errors are independent of each other.
#
# **By hand.** In the example of 2.15 one of two rows is right: 0.5. What stands after END makes no
# difference.
#
# > **Predict.** 99.9 % of tokens are right. Of numbers with 20 tokens, how many are right as a
# > whole?
# > make answer TASK=2.16 tells.
#
# **A different result?** 0: a row was compared beyond its END. 1: one right token made a row right.


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
# solution decoded 5,084 numbers a second with the GRU and 2,733 with the Transformer (measured by
# `benchmarks/decoding_numbers.py`, which instructors have). A Python loop would call the model anew
# for every word and come back to Python in between.
#
# Picture (pictures/2_17_rows.png): A loop: the encoder gives states; the stepper gives logits, argmax chooses words, they are
# written, and words and new states go back until all rows are done. Below, what two rows get:
# "sixty END PAD PAD" and "six sixty END PAD".
#
# $$
# \begin{aligned}
# y_t, \text{states}_t &= \text{stepper}(w_{t-1}, \text{states}_{t-1}) && (B, V), \dots \\
# w_t &= \text{argmax}_v y_{tv}, \text{ or PAD after END} && (B, 1)
# \end{aligned}
# $$
#
# $w_0$ is START. Rows end at different times, but a batch runs in step: a row that is done goes on
# being computed, and what it gives is thrown away.
#
# **By hand.** A toy that looks only at the last word, with these probabilities:
#
# | row | last word | END | six | sixty |
# |---|---|---|---|---|
# | 1 | START | 0 | 0.4 | 0.6 |
# | 1 | sixty | 0.5 | 0.3 | 0.2 |
# | 2 | START | 0 | 0.8 | 0.2 |
# | 2 | six | 0.2 | 0.1 | 0.7 |
# | 2 | sixty | 0.9 | 0.06 | 0.04 |
# | both | END | 0 | 0.2 | 0.8 |
#
# With `max_length` 4, row 1 is `sixty END PAD PAD` and row 2 is `six sixty END PAD`. Three steps
# are enough.
#
# > **Predict.** 255 numbers of one word and one of 22 words share a batch. How many steps does the
# > loop take?
# > make answer TASK=2.17 tells.
#
# **A different result?** Row 1 is `sixty END sixty PAD`: it went on after its END. Row 2 is
# `six sixty PAD PAD`: the first END stopped all rows.
#
# **Read.** Sutskever, Vinyals and Le, [arXiv:1409.3215](https://arxiv.org/abs/1409.3215), section
# 2, on the model, and 3.2, on decoding. [keras.ops](https://keras.io/api/ops/core/): `while_loop`.


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
#
# Picture (pictures/2_18_tree.png): A tree. From START, sixty has 0.6 and six 0.4. After sixty, END has 0.5, which makes 0.300 in
# all; after six it has 0.9, which makes 0.360. Greedy decoding takes the first path, two beams find
# the second, drawn bold.
#
# Greedy decoding is right about each word and wrong about the whole: 0.6 at once costs it 0.5
# later. An exhaustive search would compare $V^T$ texts. Beam search of width $k$ looks at $k V$ a
# step.
#
# $$
# \begin{aligned}
# \text{score}_t &= \text{score}_{t-1} + \log p(w_t \mid w_1 \dots w_{t-1}) && (B, k, V) \\
# \text{kept}_t &= \text{the } k \text{ best of } k V && (B, k)
# \end{aligned}
# $$
#
# Products of many probabilities become too small for a float, so their logarithms are added.
#
# **By hand.** Row 1 of the toy of 2.17 (after six: END 0.9, six 0.04, sixty 0.06), two beams.
#
# | step | beginning | score |
# |---|---|---|
# | 1 | sixty | ln 0.6 = −0.511 |
# | 1 | six | ln 0.4 = −0.916 |
# | 2 | six END | −0.916 + ln 0.9 = −1.022 |
# | 2 | sixty END | −0.511 + ln 0.5 = −1.204 |
#
# The third, sixty six, has −1.715 and is dropped. Both kept ones have ended, so the search stops.
#
# > **Predict.** Every word adds a negative number. Which kind of wrong text does a very wide beam
# > find, if the model gives it some probability?
# > make answer TASK=2.18 tells.
#
# **A different result?** `sixty END` twice, −1.204 and −1.204: all beams were alive at first, and
# found the same beginning. −0.511 for `six END`: the score was divided by its length.
#
# **Read.** [Dive into Deep Learning](https://d2l.ai/chapter_recurrent-modern/beam-search.html).
# Stahlberg and Byrne, [arXiv:1908.10090](https://arxiv.org/abs/1908.10090), section 3: the
# likeliest translation is often empty.


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
