# %% [markdown]
# # Lab 3: an LSTM that writes notes
#
# You turn Bach's chorales into a sequence of tokens, train a recurrent network to predict the next
# token, and generate new chorales with it.
#
# Picture (pictures/0_frame.png): From left to right: a score becomes tokens in 3.1, ids in 3.3, windows in 3.4, and these train
# an LSTM in 3.5. Back from right to left: its logits give the next id in 3.8, which is fed again in
# 3.9; the ids become tokens and, in 3.2, a score that sounds.
#
# You write nine functions: two that encode music as tokens and decode it again (3.1, 3.2), two that
# turn tokens into numbers (3.3, 3.4), the network with its loss and accuracy (3.5 to 3.7), and two
# that generate (3.8, 3.9).
#
# | tasks | you write | hours |
# |---|---|---|
# | 3.1, 3.2 | from a score to tokens and back | 3 |
# | 3.3, 3.4 | ids and windows | 2 |
# | 3.5 to 3.7 | network, loss, accuracy | 2 |
# | 3.8, 3.9 | sampling and generation | 2 |
#
# The report of `make lab3` plays what the network writes: first by always taking the likeliest
# token, which soon repeats one chord, then by drawing, which sounds like Bach for a bar or two.
# Hear both before you read 3.8.
#
# You should know what an LSTM is: Lab 1, 1.5, or [Understanding LSTM
# Networks](https://colah.github.io/posts/2015-08-Understanding-LSTMs/). You need to read no music.
# A chorale is a hymn in four voices, soprano to bass; a pitch is a number, one a key of the piano,
# with 60 for middle C; lengths are counted in quarter notes.
#
# All figures in this lesson come from `make lab3` with the solution's code, except those on whole
# chords in 3.1 (`python -m labs.lab3_notes.chords`) and those by kind of token, on padding and in
# the pictures of 3.6, 3.8 and 3.9, which `pictures.json` keeps.
#
# **Three questions to write about**, at most 120 words each; they give no points.
#
# 1. What are the drawbacks of accuracy as a measure here?
# 2. What does the encoding of one token a note lose?
# 3. Of what the network generates, 30 % of all runs of 8 tokens are in a training piece. Has it
#    copied?
#
# **Further reading.** Hadjeres, Pachet and Nielsen, *DeepBach*,
# [arXiv:1612.01010](https://arxiv.org/abs/1612.01010): chorales voice by voice. Karpathy,
# [The Unreasonable Effectiveness of Recurrent Neural
# Networks](https://karpathy.github.io/2015/05/21/rnn-effectiveness/): the same network on letters.

# %%
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import keras
import music21
import numpy as np
from keras import layers, ops

PAD, START, END, UNKNOWN = range(4)
SPECIALS = ["PAD", "START", "END", "UNKNOWN"]

# %% [markdown]
# ## 3.1 From a score to tokens
#
# A network reads a sequence, and a chorale is four melodies at once. So you cut time wherever any
# voice moves, and describe each slice: which pitches sound, and for how long.
#
#     NOTE_50 NOTE_57 NOTE_65 NOTE_74 DUR_1/2     a D minor chord for an eighth note
#
# Picture (pictures/3_1_slices.png): Two bars of a chorale on a time line. A dashed line marks every place where a note begins or
# ends; below each slice stand its pitches and its length. A note held across a line stands in both
# slices. At 3, tenor and bass sing one pitch, which is one token.
#
# Most tutorials make one token of a whole chord with its length. In our 365 chorales that gives
# 7,119 types for 34,637 chords; nearly half of the types in the training pieces occur once, of the
# validation chords, 16 % never occur in training. A network cannot learn what it sees once. Note by
# note, the same music needs 58 types for 169,834 tokens, and nothing in validation is unknown. The
# price: sequences are five times as long, and the network has to learn what a chord is.
#
# Something is lost: which voice sings a note (two voices on one pitch are one token), and the
# spelling: F♯ and G♭ are both `NOTE_66`. A held note is struck again in the next slice.
#
# $$
# \begin{aligned}
# t_0 &= 0 < t_1 < \dots < t_K && \text{cuts: 0, all starts, all ends} \\
# q_k &= t_{k+1} - t_k && \text{length of slice } k = 0, \dots, K - 1
# \end{aligned}
# $$
#
# **By hand.** Upper voice: 76, then 77, each of length 1. Lower voice: 48 of length 1/2, then 55 of
# length 1, tied to a 55 of length 1/2. A tie joins two written notes: this 55 sounds for 3/2.
#
# | from | to | tokens |
# |---|---|---|
# | 0 | 1/2 | `NOTE_48 NOTE_76 DUR_1/2` |
# | 1/2 | 1 | `NOTE_55 NOTE_76 DUR_1/2` |
# | 1 | 2 | `NOTE_55 NOTE_77 DUR_1` |
#
# > **Predict.** A soprano holds one note for four quarter notes, above eight different eighth notes
# > in the bass. How many tokens do these nine notes become?
# > make answer TASK=3.1 tells.
#
# **A different result?** `NOTE_55 NOTE_77 DUR_1/2` twice at the end: the tie made a cut. A second
# slice `NOTE_55 DUR_1/2`: the held note is lost. `NOTE_48 NOTE_76 DUR_0.5`: lengths are floats, and
# a third of a quarter note has no such spelling.
#
# **Read.** [music21's guide to
# chordify](https://music21.org/music21docs/usersGuide/usersGuide_09_chordify.html) shows such
# slices as a score. It differs from this task: it strikes tied notes again and keeps grace notes.


# %%
def score_to_tokens(score: music21.stream.Score) -> list[str]:
    """Encode a score as tokens, one chord after another.

    Cut the score's time at 0 and at every onset and every end of a note. Each slice between two
    consecutive cuts becomes `NOTE_p` for every pitch that sounds in it, then `DUR_q`, its length;
    a slice in which nothing sounds becomes `REST`, then `DUR_q`.

    Parameters
    ----------
    score : music21.stream.Score
        Parts with notes and chords, in measures and voices or not. Repeats are played as written
        (the caller expands them first).

    Returns
    -------
    list of str
        - `NOTE_p`: p is the MIDI pitch (`pitch.midi`, 60 = middle C); ascending, each pitch once
          even if two parts share it.
        - `DUR_q`: q is `str(Fraction(...))` of a length in quarter notes: `DUR_1`, `DUR_1/2`,
          `DUR_1/3`, `DUR_3/2`.
        - A score without notes gives an empty list.

    Notes
    -----
    - Ties are merged within a part: a note whose `tie.type` is "stop" or "continue" prolongs the
      note of the same pitch in the same part that ends where it begins, so a tie does not make a
      cut.
    - A note that is held while another begins or ends is struck again in the next slice.
    - Grace notes (length 0) and unpitched notes are left out.
    - The first slice starts at 0, so silence before the first note is a `REST`; the last slice
      ends with the last note, so rests after it are left out.
    - The score is not changed.

    Source: J. Huang and Wu, "Pop Music Generation" (2016) and the chordified tokens of Skúli's
    "Classical Piano Composer" (2017), with a token for each note instead of one for each chord.
    """
    raise NotImplementedError("3.1")


# %% [markdown]
# ## 3.2 From tokens to a score
#
# Decoding makes the music audible, and it tests the encoding: the same pitches must sound at the
# same times for the same lengths, in every chorale.
#
# A network also generates nonsense, above all early in training: a length without a pitch, a pitch
# twice. A decoder that gives up at the first wrong token would hide what the network has learned.
# So each kind of nonsense has a meaning here.
#
# Picture (pictures/3_2_repaired.png): Eleven tokens in a row, of which DUR_2 is skipped and the last, NOTE_67, dropped. On the time
# line below sound 60 from 0 to 1, then 60 and 64 together from 1 to 3/2, then silence until
# 2.
#
# **By hand.** Decode `NOTE_60 DUR_1 DUR_2 NOTE_64 NOTE_60 NOTE_64 REST DUR_1/2 REST DUR_1/2
# NOTE_67`. A length ends an event, and the next one begins there.
#
# | start | pitches | length |
# |---|---|---|
# | 0 | 60 | 1 |
# | 1 | 60, 64 | 1/2 |
# | 3/2 | silence | 1/2 |
#
# > **Predict.** Encode, decode, encode again. Which always holds: that the second tokens equal the
# > first, or that the decoded score equals the score you began with?
# > make answer TASK=3.2 tells.
#
# **A different result?** A row that should not be there tells the mistake.
#
# | start | pitches | length | mistake |
# |---|---|---|---|
# | 3 | 60, 64 | 1/2 | time passed at the `DUR_2` that had nothing before it |
# | 1 | silence | 1/2 | `REST` emptied an event that has pitches |
# | 2 | 67 | 1 | pitches without a length after them were kept |
#
# When your check is green, `make show TASK=3.2` plays a chorale that went through both functions.


# %%
def tokens_to_score(tokens: Sequence[str]) -> music21.stream.Score:
    """Build a score that sounds as the tokens say: one part, one chord after another.

    A `DUR_q` ends an event: what was named since the last event sounds for q quarter notes, and
    the next event begins where it ends. The first begins at 0.

    Parameters
    ----------
    tokens : sequence of str
        `NOTE_p` (p from 0 to 127), `REST`, `DUR_q` (q a positive fraction as "3/2" or "1") and the
        names in `SPECIALS`, in any order: a model may have generated them.

    Returns
    -------
    music21.stream.Score
        One `Part`: a `Note` for an event with one pitch, a `Chord` for several, a `Rest` for none.
        `score_to_tokens(tokens_to_score(tokens)) == tokens` for all that `score_to_tokens` returns.

    Raises
    ------
    ValueError
        If a token has none of these forms; the message names it.

    Notes
    -----
    Ill-formed stretches never raise:

    - names in `SPECIALS` are skipped as if they were not there;
    - pitches may come in any order, and a pitch named twice in an event counts once;
    - in an event with `REST` and pitches, the pitches count;
    - a `DUR_q` with neither pitch nor `REST` before it is skipped, and no time passes;
    - pitches or `REST` without a `DUR_q` after them are dropped.
    """
    raise NotImplementedError("3.2")


# %% [markdown]
# ## 3.3 The vocabulary
#
# The network knows ids, not strings. Four ids come first: `PAD` fills up what is too short, `START`
# and `END` frame a piece, `UNKNOWN` stands for what never occurred in training. Count the training
# pieces only: a vocabulary that has seen the validation pieces hides how much is unknown.
#
# Chorales are in many keys. A network that sees few of them has to learn each key separately;
# transposing shows it all of them for free. The experiment uses every window in all keys from −5 to
# +6 semitones, twelve times the data: 72 types with the specials.
#
# **By hand.** Two pieces, `min_count=2`: `NOTE_60 DUR_1/2 NOTE_60 DUR_1/2 NOTE_62 DUR_1` and
# `NOTE_60 DUR_1 NOTE_62 DUR_1`. Two tokens occur three times and two twice, so ids 4 to 7 are
# `DUR_1 NOTE_60 DUR_1/2 NOTE_62`.
#
# > **Predict.** With `min_count=1` no training window holds `UNKNOWN`. What has the network learned
# > about it when a validation piece brings one?
# > make answer TASK=3.3 tells.
#
# **A different result?** `DUR_1 NOTE_60 NOTE_62`: you counted pieces, not occurrences.
# `NOTE_60 DUR_1 DUR_1/2 NOTE_62`: equal counts stand in the order of their first appearance.


# %%
def build_vocabulary(pieces: Iterable[Sequence[str]], min_count: int = 1) -> list[str]:
    """List the tokens of the training pieces; a token's id is its position in the list.

    Parameters
    ----------
    pieces : iterable of sequences of str
        Each piece's tokens.
    min_count : int
        Tokens that occur fewer times in all pieces together are left out (they will be read as
        `UNKNOWN`). A token that occurs exactly `min_count` times stays.

    Returns
    -------
    list of str
        `SPECIALS` first, then the other tokens by falling count, equal counts in alphabetical
        order (`sorted` on the token). Each token once, even if a piece contains a special's name.
    """
    raise NotImplementedError("3.3")


# %% [markdown]
# ## 3.4 Windows
#
# Next-token prediction needs no labels: the target at each position is the token that follows.
# A window of 64 tokens is about thirteen chords. Two pieces never share a window: nothing in the
# first says how the second begins.
#
# Picture (pictures/3_4_windows.png): Inputs on the left, targets on the right. Piece 1 fills one window of four and begins a second,
# whose last two places are grey PAD; piece 2 has a window of its own. Every row of targets is its
# row of inputs moved one place to the left, with what follows at the
# end.
#
# $$
# \begin{aligned}
# f &= (\text{START}, x_1, \dots, x_n, \text{END}) && n + 2 \text{ ids} \\
# \text{input}_t &= f_t, \quad \text{target}_t = f_{t+1} && t = 0, \dots, n \\
# p(x_1, \dots, x_n, \text{END}) &= \textstyle\prod_t p(f_{t+1} \mid f_0, \dots, f_t)
# \end{aligned}
# $$
#
# The last line is why this is enough: who can say the next token at each place can say how likely a
# whole piece is, and can write one. Within a window the network sees no further back than its
# beginning.
#
# **By hand.** One piece, 5 6 7 8 9 10; `length=4`, `stride=2`. START is 1, END is 2, PAD is 0.
# There are seven inputs, 1 5 6 7 8 9 10.
#
# | inputs | targets |
# |---|---|
# | (1, 5, 6, 7) | (5, 6, 7, 8) |
# | (6, 7, 8, 9) | (7, 8, 9, 10) |
# | (8, 9, 10, 0) | (9, 10, 2, 0) |
#
# > **Predict.** Which ids are a target twice here? And how many windows are there with `stride=4`?
# > make answer TASK=3.4 tells.
#
# **A different result?** First targets (5, 6, 7, 0): you cut first and shifted then, so every
# window loses its last target. A fourth window (10, 0, 0, 0): the third had reached the end of the
# piece.
#
# **Read.** Dive into Deep Learning,
# [Language Models](https://d2l.ai/chapter_recurrent-neural-networks/language-model.html), on the
# chain of probabilities and on partitioning sequences.


# %%
def make_windows(
    pieces: Sequence[Sequence[int]], length: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut pieces into windows of one length: inputs, and as targets the tokens that follow them.

    A piece is framed first: `framed = [START] + ids + [END]`. Its inputs are `framed[:-1]`, its
    targets `framed[1:]`: the target at a position is the input of the next one. Windows begin at
    0, stride, 2·stride, … of these; the first window that reaches the end of the piece is its
    last. If it is too short, it is filled on the right with `PAD`.

    Parameters
    ----------
    pieces : sequence of sequences of int
        Token ids, none of them `PAD`; an empty piece is framed like any other.
    length : int
        Tokens in a window, at least 1.
    stride : int
        Distance between the beginnings of two windows of a piece, 1 to `length`. With
        `stride == length` every token of every piece is a target exactly once.

    Returns
    -------
    inputs : int32 array, shape (windows, length)
        Windows in the order of the pieces, and of their beginnings within a piece. A window never
        holds tokens of two pieces.
    targets : int32 array, shape (windows, length)
        `inputs` shifted by one.
    mask : bool array, shape (windows, length)
        True where there is a token, False where there is padding.

    All three have shape (0, length) if there are no pieces.

    Raises
    ------
    ValueError
        If `length < 1`, or `stride` is not between 1 and `length`.
    """
    raise NotImplementedError("3.4")


# %% [markdown]
# ## 3.5 The model, and the same model one step at a time
#
# In training the whole window is known, and the network gets it at once. In generation it is not:
# token t + 1 depends on what was drawn at t. Running the model on the whole prefix for every new
# token costs 1 + 2 + … + n positions, 131,328 for 512 tokens. An LSTM keeps all it remembers in its
# state (h, c), so one step needs one token and the state: n positions, and each costs the same.
#
# So there are two models over the same layers. If they agree position by position, generation uses
# what training learned.
#
# Picture (pictures/3_5_two_models.png): Left: four columns of Embedding, LSTM and Dense, one a position, with the state handed on from
# LSTM to LSTM inside. Right: one such column alone, to which the old h and c come from outside and
# which returns the new ones.
#
# $$
# \begin{aligned}
# x_t &= E[\text{id}_t] && (B, d) \\
# h_t, c_t &= \text{LSTM}(x_t, h_{t-1}, c_{t-1}) && (B, n) \text{ each} \\
# z_t &= h_t W + b && (B, V) \text{, the logits}
# \end{aligned}
# $$
#
# $B$ is the batch, $d$ `embedding_dim`, $n$ `units`, $V$ `vocab_size`; the $h_t$ of one LSTM layer
# is the $x_t$ of the next. Dropout sets a random share of $h_t$ to 0 on its way up, in training
# only, so that the network does not rely on single units.
#
# **By hand.** How many weights has the quick preset, $V = 72$, $d = 64$, $n = 320$, one LSTM layer?
#
# | layer | weights | |
# |---|---|---|
# | embedding | 72·64 | 4,608 |
# | lstm_0 | 4 blocks, each (64 + 320 + 1)·320 | 492,800 |
# | logits | 320·72 + 72 | 23,112 |
# | together, in both models | | 520,520 |
#
# > **Predict.** You train `model` to 1.13 nats a token. In the stepper, somebody has made all
# > layers anew. How many nats a token does the stepper reach?
# > make answer TASK=3.5 tells.
#
# **A different result?** Both models together hold 1,013,320: the stepper has an LSTM of its own,
# which training never reaches. 398,280: GRUs, with three blocks.
#
# **Read.** Zaremba, Sutskever and Vinyals, [arXiv:1409.2329](https://arxiv.org/abs/1409.2329),
# section 3: where dropout may go in a recurrent network, and why the state is spared.


# %%
def build_note_lstm(
    vocab_size: int, embedding_dim: int, units: int, num_layers: int, dropout: float
) -> tuple[keras.Model, keras.Model]:
    """Build the network twice over the same layers: for whole windows, and for one step.

    `Embedding` → `num_layers` times (`LSTM`, then `Dropout` on its output) → `Dense` logits.

    Parameters
    ----------
    vocab_size : int
        Number of token ids.
    embedding_dim, units : int
        Width of the embedding and of every LSTM layer.
    num_layers : int
        How many LSTM layers are stacked.
    dropout : float
        Share of each LSTM layer's outputs that is dropped in training; the recurrent state is never
        dropped (Zaremba et al. 2014, section 3).

    Returns
    -------
    model : keras.Model
        ids int (batch, length) → logits (batch, length, vocab_size), for any length. Logits, not
        probabilities: no softmax. The logits at a position depend only on the ids up to that
        position.
    stepper : keras.Model
        [ids int (batch, 1), h_0, c_0, h_1, c_1, …] → [logits (batch, vocab_size), h_0, c_0, …],
        each h (output) and c (cell) of an LSTM layer of shape (batch, units). Started with zeros
        and then fed its own states, it gives the logits of `model`, position by position.

    Both are functional models that share their layers, hence their weights, so that training one
    trains both. Layers with weights are named "embedding", "lstm_0", "lstm_1", …, "logits".

    Source: Hochreiter and Schmidhuber (1997); Eck and Schmidhuber (2002) for music.
    """
    raise NotImplementedError("3.5")


# %% [markdown]
# ## 3.6 The loss
#
# Cross-entropy in nats a token. If all logits are equal, it is ln V: ln 72 = 4.28, which is where
# training should start. Its exponential, the perplexity, says among how many equally likely tokens
# the network would be as unsure.
#
# The last window of a piece is mostly padding. Predicting padding is easy, so counting it makes any
# loss look good. And a mean of the rows' means would give a token in a short row more weight.
#
# Not all tokens are as hard: on validation the lowest note of a chord costs the trained network
# 1.81 nats, a higher note 1.02, a length 0.72.
#
# Picture (pictures/3_6_surprise.png): Bars: what each of the first 39 tokens of a chorale costs the trained network, from 0.05 to 3.5
# nats. Most chords begin with a costly note and get cheaper note by note; most lengths cost less
# than one nat.
#
# $$
# \begin{aligned}
# \ell_{bt} &= \ln \textstyle\sum_v \exp z_{btv} - z_{bty} && (B, L),\ y = \text{target}_{bt} \\
# \text{loss} &= \frac{\sum_{bt} m_{bt} \ell_{bt}}{\sum_{bt} m_{bt}}
# && m = 0 \text{ at padding, else } 1
# \end{aligned}
# $$
#
# **By hand.** Two rows of two positions, three ids. Row 2 ends with padding.
#
# | row | logits | target | ln Σ exp | loss |
# |---|---|---|---|---|
# | 1 | (0, 2, 1) | 1 | 2.408 | 0.408 |
# | 1 | (0, 1, 0) | 2 | 1.551 | 1.551 |
# | 2 | (1, 0, 3) | 1 | 3.17 | 3.17 |
# | 2 | (4, 0, 0) | PAD | 4.036 | not counted |
#
# The loss is 5.129 / 3 = 1.71, the perplexity exp 1.71 = 5.5.
#
# > **Predict.** In validation windows of 256 tokens, 23 % of the positions are padding. A network
# > has 1.13 nats a token and is sure of all padding. What does it seem to have if you count
# > padding?
# > make answer TASK=3.6 tells.
#
# **A different result?** 1.282: the sum leaves padding out, the denominator does not. 2.075: you
# averaged each row first. 2.466: bits, not nats.
#
# **Read.** Dive into Deep Learning, [Language
# Models](https://d2l.ai/chapter_recurrent-neural-networks/language-model.html), section on
# perplexity.


# %%
def masked_cross_entropy(targets, logits):
    """Average the cross-entropy over the tokens that are not padding.

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
        Nats per token. Every token counts the same, wherever it is: this is not a mean of the rows'
        means. 0 if all is padding. Logits at padding change neither the value nor its gradient.
    """
    raise NotImplementedError("3.6")


# %% [markdown]
# ## 3.7 Accuracy
#
# The share of tokens for which the likeliest guess was right. It is easy to read, but misleading:
# where Bach could have continued in four good ways, no guess is right more often than the commonest
# of them. The trained network guesses 75 % of the lengths, 66 % of the higher notes
# and 42 % of the lowest notes of a chord; the mean hides that. The experiment shows that the
# way of generating with the highest accuracy makes the worst music.
#
# $$
# \text{accuracy} = \frac{\sum_{bt} m_{bt} [\text{argmax}_v z_{btv} = y_{bt}]}{\sum_{bt} m_{bt}}
# $$
#
# The bracket is 1 where it holds, else 0.
#
# **By hand.** The logits of 3.6: the guesses are 1, 1, 2, and 0 at the padding; the targets 1, 2,
# 1. One of three is right: 0.333.
#
# > **Predict.** A network knows that Bach continues in one of four ways, each as often, and says
# > so. What accuracy can it reach, and what perplexity?
# > make answer TASK=3.7 tells.
#
# **A different result?** 0.667: PAD, guessed at padding, counts as right. 0.25: divided by all four
# positions.


# %%
def masked_accuracy(targets, logits):
    """Give the share of tokens for which the likeliest id is the target.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Any numeric dtype.
    logits : float tensor, shape (batch, length, vocab_size)

    Returns
    -------
    scalar float32 tensor
        (1/N) Σ [argmax(logits) == target], over the N positions with `target != PAD`; 0 if all is
        padding. Every token counts the same.
    """
    raise NotImplementedError("3.7")


# %% [markdown]
# ## 3.8 Sampling
#
# The network gives probabilities; you decide what to do with them. Always taking the likeliest
# token, argmax, falls into a loop: after two equal chords a third is the best guess, and each
# repetition makes the next more certain. Measured on eight pieces each (`make lab3`):
#
# | | accuracy | repeated chords | 8-grams that repeat themselves | entropy of pitch classes |
# |---|---|---|---|---|
# | argmax | 0.63 | 78 % | 92 % | 1.9 bits |
# | temperature 0.6 | 0.57 | 21 % | 6 % | 3.0 bits |
# | temperature 0.8 | 0.53 | 9 % | 2 % | 3.1 bits |
# | temperature 1 | 0.49 | 5 % | under 1 % | 3.2 bits |
# | Bach | | 1 % | 17 % | 3.0 bits |
#
# Accuracy ranks them upside down. (Bach's 17 % are his repeats, written out. An 8-gram is a run of
# eight tokens; a pitch class is a pitch whatever its octave, and the entropy says how evenly all
# twelve are used.) Temperature divides the logits: below 1 it sharpens, above 1 it flattens. Top-k
# and top-p cut off the long tail of unlikely tokens: each of them is rare, but nearly every piece
# would draw one.
#
# Picture (pictures/3_8_cuts.png): What the trained network says about the next bass note of a chorale: bars for 10,000 draws, a
# line for its probabilities. At temperature 1 bars and line agree; at 0.5 the likely notes gain;
# with top_k 4 four notes remain; with top_p 0.8 seven.
#
# $$
# \begin{aligned}
# p_i &= \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)} && (B, V) \\
# K &= \text{the } k \text{ likeliest; of these the fewest that reach } p \\
# q_i &= \frac{p_i}{\sum_{j \in K} p_j} \text{ for } i \in K \text{, else } 0 && (B, V)
# \end{aligned}
# $$
#
# **By hand.** The logits are ln 0.4, ln 0.3, ln 0.2, ln 0.1. At temperature 0.5 the shares are
# squared: 0.16, 0.09, 0.04, 0.01, of 0.30 in all.
#
# | | shares of ids 0 to 3 |
# |---|---|
# | temperature 0.5 | (0.53, 0.3, 0.13, 0.03) |
# | and `top_k=3` | (0.55, 0.31, 0.14, 0) |
# | and `top_p=0.8` | (0.64, 0.36, 0, 0) |
#
# > **Predict.** What does temperature do as it goes to 0, and as it grows without end? And what
# > with `top_k=1`?
# > make answer TASK=3.8 tells.
#
# **A different result?** (0.33, 0.28, 0.23, 0.16) in the first row: multiplied by the temperature.
# (0.55, 0.31, 0.14, 0) in the last: top-p looked at the shares before the temperature, where two
# ids have 0.78 of the three's.
#
# **Read.** Holtzman et al., [arXiv:1904.09751](https://arxiv.org/abs/1904.09751), section 3.1, on
# top-p. [How to generate text](https://huggingface.co/blog/how-to-generate) compares all of them.


# %%
def sample_next(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Draw one id a row from softmax(logits / temperature), cut to its likeliest tokens.

    In this order: divide by the temperature; keep the `top_k` likeliest tokens; of these, with
    their probabilities made to sum to 1 again, keep the smallest set of likeliest tokens whose
    probability reaches `top_p`; draw from what is left, in proportion.

    Parameters
    ----------
    logits : float array, shape (batch, vocab_size)
        −inf means never. Every row has a finite entry. Not changed.
    temperature : float
        Below 1 sharpens, above 1 flattens. 0 is argmax (the lowest id among equals), and so is
        the limit: very small temperatures neither overflow nor give NaN.
    top_k : int, optional
        At least 1; more than `vocab_size` keeps all. Among equals the lower id is likelier.
    top_p : float, optional
        Nucleus (Holtzman et al. 2020, section 3.1), in (0, 1]; keeps at least one token. Among
        equals the lower id is likelier.
    seed : int, numpy.random.Generator or None
        As `numpy.random.default_rng` takes it: an int gives the same draw each time, a generator
        goes on from where it is.

    Returns
    -------
    int32 array, shape (batch,)
        Rows are drawn independently.

    Raises
    ------
    ValueError
        If `temperature < 0` or not a number, `top_k < 1`, or `top_p` outside (0, 1].
    """
    raise NotImplementedError("3.8")


# %% [markdown]
# ## 3.9 Generation
#
# Feed the primer, draw, feed what was drawn, and so on until `END`. A batch of eight pieces costs
# hardly more than one. The experiment continues the first chords of eight test pieces by argmax and
# at three temperatures, and measures whether the result is copied: the share of its runs of 8
# tokens that occur in a training piece, in any key. For real chorales that the network has not
# seen, this share is 58 %: chorales have much in common. At temperature 0.8 it is 30 %.
#
# A bigram model, which only counts which token follows which, reaches 2.32 nats a token on
# validation; this network reaches 1.13, after two minutes on two cores.
#
# Picture (pictures/3_9_rolls.png): Three piano rolls over 24 quarter notes, after one primer. By argmax the music soon stands still
# on one chord; at temperature 0.8 four voices move on, less smoothly than in the third roll,
# Bach's.
#
# $$
# \begin{aligned}
# z_t, s_t &= \text{stepper}(x_t, s_{t-1}) && (B, V) \text{ and states, at first } 0 \\
# x_{t+1} &= \text{the primer's next id} && \text{as long as there is one} \\
# x_{t+1} &\sim \text{softmax}(z_t / T) && \text{from its last id on}
# \end{aligned}
# $$
#
# **By hand.** A toy stepper keeps the sum of all ids it was fed; its likeliest next id is the sum's
# last digit. Primer 1 3, temperature 0, `max_length=8`.
#
# | fed | sum | next |
# |---|---|---|
# | 1 | 1 | 3, from the primer |
# | 3 | 4 | 4 |
# | 4 | 8 | 8 |
# | 8 | 16 | 6 |
# | 6 | 22 | 2, which is END |
#
# The result is `1 3 4 8 6 2`, after five calls.
#
# > **Predict.** Eight primers, `max_length=512`, no `END` drawn: how many calls of the stepper does
# > it take? And how many if each piece walks alone?
# > make answer TASK=3.9 tells.
#
# **A different result?** `1 3 3 3 3 3 3 3`: the states that come back are not fed again.
# `1 3 7 4 8 6 2`: the primer's last id is fed twice.
#
# `make show TASK=3.9` plays the three rolls through your 3.2: argmax, temperature 0.8, Bach.
#
# **Read.** [Performance RNN](https://magenta.tensorflow.org/performance-rnn): an LSTM over tokens
# of notes, on piano music, with sound.


# %%
def generate(
    stepper: keras.Model,
    primers: np.ndarray,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | np.random.Generator | None = None,
) -> list[list[int]]:
    """Continue each primer token by token, until END or `max_length` ids.

    Feed the primer one id at a time, from states of zeros; then draw the next id from the last
    logits with `sample_next`, feed it with the states that came back, and so on. Nothing is read
    twice: every position costs one call of the stepper for the whole batch.

    Parameters
    ----------
    stepper : keras.Model
        As `build_note_lstm` returns it; call it with `predict_on_batch`. The number and width of
        its states follow from `stepper.inputs`.
    primers : int array, shape (batch, primer_length)
        At least one id each. `START` is not added: to start a new piece, begin the primer with
        `START`. An `END` inside a primer has no effect.
    max_length : int
        The most ids in a result, the primer's included.
    temperature, top_k, top_p
        As in `sample_next`.
    seed : int, numpy.random.Generator or None
        One generator serves all steps: the same int gives the same results.

    Returns
    -------
    list of lists of int
        For each primer, its ids and the continuation, up to and including the first `END` drawn,
        or up to `max_length` ids if none is drawn. One row's end does not end the others.

    Raises
    ------
    ValueError
        If the primers have no ids, or `max_length` is less than their length.
    """
    raise NotImplementedError("3.9")
