# %% [markdown]
# # Lab 3: an LSTM that writes notes
#
# You turn Bach's chorales into a sequence of tokens, train a recurrent network to predict the next
# token, and generate new chorales with it.
#
# You write nine functions: two that encode music as tokens and decode it again (3.1, 3.2), two that
# turn tokens into numbers (3.3, 3.4), the network with its loss and accuracy (3.5 to 3.7), and two
# that generate (3.8, 3.9).
#
# All figures in this lesson come from `make lab3` with the solution's code, except those on whole
# chords in 3.1: `python -m labs.lab3_notes.chords`.

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
# A network reads a sequence, and a chorale is four melodies at once. So we cut time wherever any
# voice moves, and describe each slice: which pitches sound, and for how long.
#
#     NOTE_50 NOTE_57 NOTE_65 NOTE_74 DUR_1/2     a D minor chord for an eighth note
#
# Most tutorials make one token of a whole chord with its length. In our 365 chorales that gives
# 7,119 types for 34,637 chords; nearly half of the types in the training pieces occur once, of the
# validation chords, 16 % never occur in training. A network cannot learn what it sees once. Note by
# note, the same music needs 58 types for 169,834 tokens, and nothing in validation is unknown. The
# price: sequences are five times as long, and the network has to learn what a chord is.
#
# Something is lost: which voice sings a note (two voices on one pitch are one token), and the
# spelling: F♯ and G♭ are both `NOTE_66`. A held note is struck again in the next slice.


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
# token costs 1 + 2 + … + n positions. An LSTM keeps all it remembers in its state (h, c), so one
# step needs one token and the state: n positions, and each costs the same.
#
# So there are two models over the same layers. If they agree position by position, generation uses
# what training learned.


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
# of them. The experiment shows that the way of generating with the highest accuracy makes the worst
# music.


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
# Accuracy ranks them upside down. (Bach's 17 % are his repeats, written out.) Temperature divides
# the logits: below 1 it sharpens, above 1 it flattens. Top-k and top-p cut off the long tail of
# unlikely tokens: each of them is rare, but nearly every piece would draw one.


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
