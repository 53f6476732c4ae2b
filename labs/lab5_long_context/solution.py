# %% [markdown]
# # Lab 5: long context
#
# A pop song has 5,000 words of REMI, a notation that spells music as a line of words, 50 words a
# bar. One bar in ten returns note for note, and the earlier one is then 1,200 words back (the
# median in Pop1K7). A model that reads 512 words at a time cannot see it. Two solutions were
# published side by side: carry memory from one segment to the next (Transformer-XL), or make
# attention linear and the music shorter, with a whole note in one step (compound words). You build
# both, train both on the same pieces, and compare what they learned, what they cost, and how their
# songs sound. `make lab5` ends with a report that plays their songs beside real pieces.
#
# ![From left to right: a piece gets its chords, then becomes either words of REMI for
# Transformer-XL, or compound words for linear attention. Both networks give a loss in nats a note,
# and songs. Task numbers stand in each box.](pictures/0_frame.png)
#
# | you build | tasks | hours |
# |---|---|---|
# | words: chords by ear, REMI and back, compound words and back | 5.1 to 5.6 | 5 |
# | Transformer-XL: relative scores, memory, streams of pieces | 5.7 to 5.11 | 5 |
# | the linear Transformer: three ways to one result, seven fields at once | 5.12 to 5.17 | 4 |
# | training and generation: losses that can be compared, songs that end | 5.18 to 5.20 | 2 |
#
# What you should know: attention with relative positions and its cache (Lab 4), masked losses and
# sampling (Labs 1 and 2). Both are given here: `masked_cross_entropy`, `filter_logits`. To catch up
# on attention, read [Dive into Deep
# Learning](https://d2l.ai/chapter_attention-mechanisms-and-transformers/index.html). No harmony is
# needed: what a chord is, 5.1 explains.
#
# The words were checked against the authors' own: on 1,747 of 1,747 songs of Pop1K7, yours will
# equal theirs, word for word. A note takes 4.01 words of REMI or 1.64 compound words: the same song
# is 5,042 or 2,071 steps long.
#
# What the solution gets: nats a note on test pieces of Bach's chorales (`make lab5`) and of MAESTRO
# (`make lab5 PRESET=laptop`, an hour), beside a smoothed bigram of the same words:
#
# | | chorales | bigram | songs that end | MAESTRO | bigram |
# |---|---|---|---|---|---|
# | REMI, Transformer-XL | 2.76 | 6.27 | 1 | 8.21 | 11.30 |
# | the same without memory | 2.53 | 6.27 | 0.88 | 8.29 | 11.30 |
# | compound words, linear Transformer | 3.94 | 4.92 | 0.88 | 11.83 | 11.14 |
#
# On MAESTRO the linear Transformer got half the others' time, and pieces of up to 8,192 rows only:
# its figure shows what little training gives, not what the network can do.
#
# Three questions to answer in writing, at most 120 words each. (a) Was the comparison fair? (b)
# What does linear attention give up? (c) Does a longer memory help music?
#
# Further reading: Dai et al., [Transformer-XL](https://arxiv.org/abs/1901.02860); Katharopoulos et
# al., [Transformers are RNNs](https://arxiv.org/abs/2006.16236); Hsiao et al., [Compound Word
# Transformer](https://arxiv.org/abs/2101.02402).

# %%
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from toolkit.errors import EtudeError
from toolkit.music.piece import NO_CHORD, ROOTS, TICKS_PER_BEAT, Piece
from toolkit.music.remi import (
    AUTHORS,
    BAR,
    BAR_TICKS,
    COMPOUND,
    END,
    FIELDS,
    STEP,
    STEPS_PER_BAR,
    Spelling,
)

# END's id, in REMI and as a type. What a piece begins after is the end of another: START is END.
START_ID = END_ID = 0
PAD = -1  # among targets only: what is not to be learned
BAR_TYPE, METRICAL, NOTE = range(3)  # ids of types; the end's is 0 too
TEMPO, CHORD, BAR_BEAT, TYPE, PITCH, DURATION, VELOCITY = range(len(FIELDS))
FIELD_SIZES = tuple(len(COMPOUND[field]) for field in FIELDS)

# What chords sound like: what a pitch class counts, by its distance above the root in semitones.
TEMPLATES = {
    "M": (10, -2, -1, -2, 10, -5, -2, 10, -2, -1, -2, 0),
    "m": (10, -2, -1, 10, -2, -5, -2, 10, -1, -2, 0, -2),
    "o": (10, -2, -1, 10, -2, -1, 10, -2, -2, 1, -1, -2),
    "+": (10, -2, -1, -2, 10, -1, -2, -2, 10, -1, -2, 0),
    "sus2": (10, -2, 5, -2, -1, -5, -2, 5, -2, -1, -2, 0),
    "sus4": (10, -2, -1, -2, -5, 5, -2, 5, -2, -1, -2, 0),
}
# What a chord is when its root lies so many semitones above the bass.
OVER_BASS = {
    ("M", 3): "m7",
    ("m", 4): "M7",
    ("m", 3): "/o7",
    ("o", 4): "7",
    ("o", 3): "o7",
    ("sus2", 5): "sus4",
    ("sus4", 7): "sus2",
}


def masked_cross_entropy(targets, logits):
    """Sum of the losses over the targets that are not `PAD`, in nats, and how many those are.

    targets: int (…); logits: (…, vocab_size). Returns two float32 scalars. (Labs 1 and 4.)
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    is_word = ops.not_equal(targets, PAD)
    chosen = ops.where(is_word, targets, 0)
    losses = -ops.take_along_axis(log_probabilities, chosen[..., None], axis=-1)[..., 0]
    return ops.sum(ops.where(is_word, losses, 0.0)), ops.sum(ops.cast(is_word, "float32"))


def filter_logits(logits, temperature: float = 1.0, top_p: float = 1.0):
    """Divide by the temperature; all but the likeliest that make up `top_p` become -1e9 (Lab 4)."""
    if not temperature > 0 or not 0 < top_p <= 1:
        raise ValueError(f"temperature {temperature} must be above 0, top_p {top_p} in (0, 1]")
    logits = ops.cast(logits, "float32") / temperature
    if top_p < 1:
        falling = -ops.sort(-logits, axis=-1)
        probabilities = ops.softmax(falling, axis=-1)
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        kept = ops.where(before < top_p, falling, np.inf)
        logits = ops.where(logits < ops.min(kept, axis=-1, keepdims=True), -1e9, logits)
    return logits


def project(layer, row):
    """Apply an `EinsumDense` to one position: a plain product, twice as fast as its einsum.

    A kernel (d_model, heads, head_dim) turns (batch, 1, d_model) into (batch, heads, 1, head_dim),
    a kernel (heads, head_dim, d_model) the latter into the former.
    """
    first, second, last = layer.kernel.shape
    splits = len(row.shape) == 3
    features, shape = (first, (-1, second, 1, last)) if splits else (first * second, (-1, 1, last))
    kernel = ops.cast(ops.reshape(layer.kernel, (features, -1)), row.dtype)
    result = ops.matmul(ops.reshape(row, (-1, features)), kernel)
    if layer.bias is not None:
        result = result + ops.cast(ops.reshape(layer.bias, (-1,)), row.dtype)
    return ops.reshape(result, shape)


# %% [markdown]
# ## 5.1 Which chord is this?
#
# REMI contains chords, but a recording has none: you have to recognise them. A chord has a root,
# the note it is built on, and a quality, which says what else belongs to it: M is major, m minor, o
# diminished, + augmented. Octaves do not matter, so you add up how long each *pitch class* sounds
# (C is 0, C# is 1, B is 11). Six templates say what to expect: 10 for a chord's own notes, less for
# others. Then the bass, the lowest note, may change the name: A, C and E over an F are not A minor.
# Finally the seventh: is there a note 10 or 11 semitones above the root? In Bach's chorales this
# names 97 % of the beats, and gives 37 % a seventh.
#
# ![A table with a column for each pitch class. C, E, F and A sound for 480 ticks each. Below stand
# the major template from F, whose sum is 14,400, and the minor template from A, whose sum is
# 13,920. F_M7 wins.](pictures/5_1_chord.png)
#
# $$
# \begin{aligned}
# p_k &= \text{ticks that pitch class } k \text{ sounds in the span} && (12) \\
# \text{score}(r, q) &= \textstyle\sum_i p_{(r+i) \bmod 12} \cdot w_{q,i} && (12, 6)
# \end{aligned}
# $$
#
# **By hand.** One beat, 480 ticks: F3, A3, C4 and E4 all through it.
#
# | root, quality | score |
# |---|---|
# | F, M | 480·(10 + 10 + 10 + 0) = 14,400 |
# | A, m | 480·(10 + 10 + 10 − 1) = 13,920 |
#
# F major wins, and E, its major seventh, sounds longer than D#, its minor seventh: F_M7. The score
# must be at least 10 a tick: 4,800.
#
# > **Predict.** Play the A3 an octave lower, below the F. Does the name change?
#
# **A different result?** F_M: the sevenths are missing. F_7: you took the one that sounds less.
#
# **Read.** Krumhansl, *Cognitive Foundations of Musical Pitch* (1990), chapter 4, for templates;
# the weights are those of [chorder](https://github.com/joshuachang2311/chorder).


# %%
def name_chord(notes: np.ndarray, start: int, end: int) -> tuple[str, int]:
    """Name the chord of a span of time by the notes that sound in it.

    1. Each pitch class counts the ticks that its notes sound within the span, every note
       separately.
    2. The score of a root and a quality of `TEMPLATES` is the sum of the counts times the
       template's numbers, which begin at the root. Only pitch classes that sound can be roots. The
       best score wins; among equal ones the lower root (C is lowest), then the earlier template.
    3. If the best score is below 10 × (end - start), the name is `NO_CHORD` and the score is -1.
    4. The bass is the lowest pitch that sounds at least an eighth of the span, notes of one pitch
       together. Without a bass, the name is `NO_CHORD`, and the score stays.
    5. If (quality, semitones from the bass up to the root) is in `OVER_BASS`, the bass becomes the
       root, with this quality:

       | heard | root above the bass | is |
       |---|---|---|
       | M | 3 | m7 |
       | m | 4, 3 | M7, /o7 |
       | o | 4, 3 | 7, o7 |
       | sus2 | 5 | sus4 |
       | sus4 | 7 | sus2 |

    6. If the quality is now M: M7 if the pitch class 11 above the root counts more than the one 10
       above, 7 if less. If it is now m: m7 if the one 10 above counts more than 0.

    Parameters
    ----------
    notes : int array (n, 4)
        Rows of start, end, pitch and velocity; all of the notes sound in the span.
    start, end : int
        The span, ticks.

    Returns
    -------
    name : str
        One of `CHORDS`: root and quality, "F_M7".
    score : int

    Source: the behaviour of chorder 0.1.4 (`Dechorder.get_chord_quality`), in words of our own.
    """
    # BEGIN SOLUTION
    ticks = np.minimum(notes[:, 1], end) - np.maximum(notes[:, 0], start)
    by_pitch = np.bincount(notes[:, 2], ticks, minlength=132).astype(int)
    profile = by_pitch.reshape(-1, 12).sum(axis=0)
    from_root = profile[(np.arange(12)[:, None] + np.arange(12)) % 12]
    scores = from_root @ np.transpose([*TEMPLATES.values()])
    scores = np.where(profile[:, None] > 0, scores, 0)
    root, quality = (int(place) for place in np.unravel_index(scores.argmax(), scores.shape))
    score = int(scores[root, quality])
    if score < 10 * (end - start):
        return NO_CHORD, -1
    held = np.flatnonzero(by_pitch >= (end - start) / 8)
    if not len(held):
        return NO_CHORD, score
    name, bass = list(TEMPLATES)[quality], int(held[0]) % 12
    if over_bass := OVER_BASS.get((name, (root - bass) % 12)):
        root, name = bass, over_bass
    minor, major = profile[(root + 10) % 12], profile[(root + 11) % 12]
    if name == "M" and major != minor:
        name = "M7" if major > minor else "7"
    elif name == "m" and minor:
        name = "m7"
    return f"{ROOTS[root]}_{name}", score
    # END SOLUTION


# %% [markdown]
# ## 5.2 A chord a beat
#
# One beat is often too short to hear a chord: an arpeggio, which plays a chord's notes one after
# the other, needs two. Two beats are too long where the harmony changes each beat: in the chorales,
# 55 % of the pairs hold two chords. So look at both, and trust the single beats only if each of
# them is at least as clear as the pair, measured per beat.
#
# ![Two bars of a chorale as a piano roll, with the chord of each beat above it. In the third pair
# both beats have the pair's chord, C_M; in the other three pairs each beat has its
# own.](pictures/5_2_chords.png)
#
# **By hand.** Beat 0 is C, E, G. Beat 1 is C, E, A (first line), or C with an A for half the beat.
#
# | beat 1 | pair | a beat | beat 0 | beat 1 | names |
# |---|---|---|---|---|---|
# | C, E, A | 24,000 | 12,000 | 14,400 | 14,400 | the beats' own |
# | C, half an A | 18,960 | 9,480 | 14,400 | 7,200 | the pair's |
#
# So the names are C_M, A_m and C_M, C_M.
#
# > **Predict.** A pair of beats in which nothing sounds: which rule applies, and what is the name?
#
# **A different result?** A_m7, A_m7 first: you compare with 24,000, the pair's score before it is
# halved. C_M, A_m and C_M, A_m: one clear beat was enough for you; it takes both.


# %%
def recognise_chords(notes: np.ndarray) -> list[str]:
    """Name the chord of each beat of a piece.

    Beats are taken in pairs: 0 and 1, 2 and 3, …. A pair is named as one span, with its score
    halved, and as two spans of one beat. If both beats score at least as much as the halved score,
    each beat has its own chord; otherwise both have the pair's chord. A last beat without a partner
    has its own chord.

    The notes of a span are those that start before its end and end after its start. But a long note
    is forgotten when many have started since: a note that starts before the span counts only if its
    start is one of the last ten distinct start times before the span.

    Parameters
    ----------
    notes : int array (n, 4)
        Rows of start, end, pitch and velocity; in any order, at least one.

    Returns
    -------
    list of str
        One of `CHORDS` for each beat, until the last note has ended.

    Source: the behaviour of chorder 0.1.4 (`Dechorder.dechord`); equal to the chord markers of
    Pop1K7 on every beat of 30 songs.
    """
    # BEGIN SOLUTION
    starts = np.unique(notes[:, 0])
    beats = -(-int(notes[:, 1].max()) // TICKS_PER_BEAT)

    def chord(beat: int, length: int) -> tuple[str, float]:
        """Name a span of beats; its score a beat."""
        start, end = beat * TICKS_PER_BEAT, (beat + length) * TICKS_PER_BEAT
        earliest = starts[max(int(np.searchsorted(starts, start)) - 10, 0)]
        heard = (notes[:, 0] >= earliest) & (notes[:, 0] < end) & (notes[:, 1] > start)
        name, score = name_chord(notes[heard], start, end)
        return name, score / length

    names: list[str] = []
    for beat in range(0, beats, 2):
        pair, pair_score = chord(beat, 2)
        ones = [chord(one, 1) for one in range(beat, min(beat + 2, beats))]
        clear = len(ones) == 1 or all(score >= pair_score for _, score in ones)
        names += [name if clear else pair for name, _ in ones]
    return names
    # END SOLUTION


# %% [markdown]
# ## 5.3 From a piece to REMI
#
# Lab 4's events count time from one event to the next: there are no bar lines. REMI says where
# things are: a word for each bar, a word for each sixteenth ("step") in which something starts,
# then the chord, the tempo and the notes there. A note is three words and contains its own length,
# so nothing has to be released. "Bar, first sixteenth" means the same in every bar: repetition
# becomes visible.
#
# The `Spelling` decides how words are spelled: `spelling.note(60, 81, 470)` rounds and names. You
# decide their order. Published encoders differ in how they round a start that lies halfway between
# two steps: for 886 starts of Pop1K7 "half up" and "half to even" give different steps.
#
# ![Two notes on a grid of sixteenths. The second starts halfway between steps 2 and 3, and is moved
# to step 2. Below are the eleven words: bar, position, three for the note, position, three for the
# note, bar, end.](pictures/5_3_remi.png)
#
# **By hand.** A start at tick 180 lies halfway between steps 1 and 2 (120 and 240).
#
# | tick | 180 / 120 | half to even | half up |
# |---|---|---|---|
# | 180 | 1.5 | 2 | 2 |
# | 300 | 2.5 | 2 | 3 |
# | 1,860 | 15.5 | 16: the next bar | 16 |
#
# So C4 from 0 to 470, velocity 81, then E4 from 300 to 780, velocity 80: `Bar_None Beat_0
# Note_Pitch_60 Note_Velocity_80 Note_Duration_480 Beat_2 Note_Pitch_64 Note_Velocity_80
# Note_Duration_480 Bar_None EOS_None`.
#
# > **Predict.** The last note starts at tick 1,860. In which bar is it, and what do the authors do?
#
# **A different result?** `Beat_3`: you rounded half up. Right notes, wrong order within a step: you
# sorted by the rounded start; sort by the raw start. It matters in 1,746 of the 1,747 songs.
#
# **Read.** Huang and Yang, *Pop Music Transformer*,
# [arXiv:2002.00212](https://arxiv.org/abs/2002.00212), section 3;
# [MidiTok](https://miditok.readthedocs.io/en/latest/tokenizations.html) draws REMI beside other
# notations.


# %%
def encode_remi(piece: Piece, spelling: Spelling) -> list[str]:
    """Encode a piece as words of REMI.

    1. Notes are sorted by their starts (in ticks, not rounded); with the same start by falling
       pitch, or rising if `spelling.lowest_first`; equal ones stay as they come. A start goes to
       the nearest step of 120 ticks, a half to the even one. A length is end minus start, not
       rounded before `spelling.note` gets it.
    2. Whole bars of 1,920 ticks before the first note's step are left out, and everything is
       counted from there. Empty bars inside stay.
    3. Chords and tempi go to the nearest beat of 480 ticks, a half to the even one; those before
       the first bar go to its first step. If several fall on one step, the first is kept (the last
       if `spelling.clamped` is "last").
    4. The last bar is the one that holds the last note's step. If `spelling.drops_end`, it is the
       one before the first bar line that is not before the last note's start, *not rounded*: notes
       that are rounded to that line or start on it are left out. Chords and tempi after the last
       bar are left out.
    5. Each bar is `BAR`, then for each step with any of these: its position; the chord; the tempo;
       the notes. The position comes once a step; with `spelling.position_each` it comes before the
       chord, before the tempo and before each note. The words end with `BAR` and `END`.

    Parameters
    ----------
    piece : Piece
        In 4/4.
    spelling : Spelling
        `position(step)` and `chord(name)` give one word, `tempo(bpm)` and `note(pitch, velocity,
        ticks)` a list. A spelling without tempi gives an empty list for a tempo: then there is no
        tempo at that step.

    Returns
    -------
    list of str

    Raises
    ------
    EtudeError
        If the piece holds no notes.

    Source: Huang and Yang (2020), section 3; with `AUTHORS` the words of Hsiao et al. (2021), all
    1,747 songs of Pop1K7.
    """
    # BEGIN SOLUTION
    if not len(piece.notes):
        raise EtudeError("The piece holds no notes: there is nothing to encode.")
    upward = piece.notes[:, 2] if spelling.lowest_first else -piece.notes[:, 2]
    start, end, pitch, velocity = piece.notes[np.lexsort([upward, piece.notes[:, 0]])].T
    steps = np.round(start / STEP).astype(int)
    leading = int(steps[0]) // STEPS_PER_BAR
    bars = int(steps[-1]) // STEPS_PER_BAR + 1 - leading
    if spelling.drops_end:
        bars = -(-int(start[-1]) // BAR_TICKS) - leading
    steps -= leading * STEPS_PER_BAR

    def on_beats(events) -> dict[int, Any]:
        """Chords or tempi by their steps."""
        found: dict[int, Any] = {}
        for tick, value in events:
            step = max(round(tick / TICKS_PER_BEAT) * 4 - leading * STEPS_PER_BAR, 0)
            if step not in found or spelling.clamped == "last":
                found[step] = value
        return found

    items: dict[int, list[list[str]]] = {}
    for step, name in on_beats(piece.chords).items():
        items[step] = [[spelling.chord(name)]]
    for step, bpm in on_beats(piece.tempi).items():
        if words := spelling.tempo(bpm):
            items.setdefault(step, []).append(words)
    for step, *note in np.column_stack([steps, pitch, velocity, end - start]).tolist():
        items.setdefault(step, []).append(spelling.note(*note))
    line = []
    for bar in range(bars):
        line.append(BAR)
        for place in range(STEPS_PER_BAR):
            for number, words in enumerate(items.get(bar * STEPS_PER_BAR + place, ())):
                if number == 0 or spelling.position_each:
                    line.append(spelling.position(place))
                line += words
    return [*line, BAR, END]
    # END SOLUTION


# %% [markdown]
# ## 5.4 From REMI to a piece
#
# A model that is still learning generates a velocity without a pitch, or a note before any bar. A
# decoder that raises an error decodes nothing; a decoder that guesses hides how bad the model still
# is. Yours keeps what is valid and counts the rest: the count measures how much of the grammar was
# learned. Read the words from left to right. Remember the bar, the position, and the words of the
# note that is not complete yet. A word either continues that note or interrupts it. Once your check
# is green, you hear two bars of a chorale that your code decoded from words.
#
# ![Eleven words. Four are crossed out: a pitch before any position, a pitch and a velocity without
# a length, and Beat_2 after Beat_4. What is left is one note of pitch 64, ticks 960 to
# 1020.](pictures/5_4_broken.png)
#
# **By hand.** `Bar_None Note_Pitch_60 Beat_4 Note_Pitch_60 Note_Velocity_80 Beat_2 Beat_8
# Note_Pitch_64 Note_Velocity_80 Note_Duration_0 EOS_None` is one note, and 4 words are broken: the
# pitch before any position; the pitch and the velocity without a length; `Beat_2`, which cannot
# follow `Beat_4`. E4 starts at 960, and its length of 0 becomes 60 ticks.
#
# > **Predict.** Encode what you decoded. Are the words the same?
#
# **A different result?** 3 words: all words of an unfinished note count. A note of 0 ticks: nobody
# would hear it; 47,714 notes of Pop1K7 have this length.
#
# **Read.** Hsiao et al., *Compound Word Transformer*,
# [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 3, for the words;
# [MidiTok](https://miditok.readthedocs.io/en/latest/tokenizations.html), whose decoders read REMI
# too.


# %%
def decode_remi(words: Sequence[str], spelling: Spelling) -> tuple[Piece, int]:
    """Decode any words of REMI into a piece, and count those that break the grammar.

    Words are read from left to right, up to the first `END`. `BAR` begins the next bar, without a
    position. A position is valid within a bar, unless it is earlier than the one before it in that
    bar. A chord, a tempo or a note is at the last position before it in its bar; its words must
    follow each other as `spelling.items` says: in the authors' spelling a note is a pitch, a
    velocity and a duration. All other words, those of an unfinished item included, are counted and
    left out. The word that interrupts an item is then read as if the item were not there.

    Parameters
    ----------
    words : sequence of str
    spelling : Spelling
        `spelling.words[word]` is a word's kind and value.

    Returns
    -------
    piece : Piece
        Notes, tempi and chords in the order of the words. Starts are ticks from the beginning of
        the first bar. A duration of 0 becomes 60 ticks. A tempo of two words is the sum of their
        values. In a spelling without velocities, every velocity is 64.
    broken : int
        How many words broke the grammar.

    Raises
    ------
    EtudeError
        If a word up to the first `END` is not in the spelling's vocabulary.
    """
    # BEGIN SOLUTION
    followers = {item[0]: item[1:] for item in spelling.items}
    notes: list[tuple] = []
    tempi: list[tuple] = []
    chords: list[tuple] = []
    broken, bar, step = 0, -1, -1
    read: dict[str, Any] = {}
    missing: tuple[str, ...] = ()
    for word in words:
        if word not in spelling.words:
            raise EtudeError(
                f"The word {word!r} is not in the vocabulary of the spelling {spelling.name!r}: "
                "decode words with the spelling that they were encoded with."
            )
        kind, value = spelling.words[word]
        if missing and kind == missing[0]:
            read, missing = {**read, kind: value}, missing[1:]
        else:
            broken += len(read)
            read, missing = {}, ()
            if kind == "end":
                break
            if kind == "bar":
                bar, step = bar + 1, -1
            elif kind == "position" and bar >= 0 and value >= step:
                step = value
            elif kind in followers and step >= 0:
                read, missing = {kind: value}, followers[kind]
            else:
                broken += 1
        if read and not missing:
            tick = bar * BAR_TICKS + step * STEP
            if "chord" in read:
                chords.append((tick, read["chord"]))
            elif "pitch" in read:
                end = tick + (read["duration"] or STEP // 2)
                notes.append((tick, end, read["pitch"], read.get("velocity", 64)))
            else:
                tempi.append((tick, sum(read.values())))
            read = {}
    piece = Piece(
        np.array(notes, np.int64).reshape(-1, 4),
        np.array(tempi, float).reshape(-1, 2),
        tuple(chords),
    )
    return piece, broken + len(read)
    # END SOLUTION


# %% [markdown]
# ## 5.5 Compound words
#
# A note is three predictions in REMI, and the model must read these three words before the next
# note. A compound word does it at once: one row of seven fields, of which each row uses some. Its
# type says which: a note has a pitch, a duration and a velocity; a metrical row has a bar or a
# position, with the chord and the tempo that begin there. Pop1K7 shrinks from 9.12 million words to
# 3.74 million rows. The price: 44 % of all fields are 0, "not used here".
#
# ![The first beat of a chorale. Above, 15 words of REMI, stacked by the row they belong to; below,
# 7 rows of 7 fields. Unused fields are grey and hold 0; a position without a new tempo holds
# CONTI.](pictures/5_5_compound.png)
#
# **By hand.** `Bar_None Beat_0 Chord_A_M7 Note_Pitch_60 Note_Velocity_80 Note_Duration_480
# Bar_None EOS_None` are 8 words and 5 rows.
#
# | tempo | chord | bar-beat | type | pitch | duration | velocity |
# |---|---|---|---|---|---|---|
# | 0 | 0 | 1 (Bar) | 1 | 0 | 0 | 0 |
# | 1 (CONTI) | 107 (A_M7) | 2 (Beat_0) | 1 | 0 | 0 | 0 |
# | 0 | 0 | 0 | 2 | 61 | 5 | 21 |
# | 0 | 0 | 1 (Bar) | 1 | 0 | 0 | 0 |
# | 0 | 0 | 0 | 0 | 0 | 0 | 0 |
#
# The second row has tempo 1, chord 107: the chord is new, the tempo continues.
#
# > **Predict.** A bar of eight eighths, one note each. How many words, how many rows?
#
# **A different result?** In the second row tempo 0, chord 107: 0 means "this field is not used
# here", CONTI means "unchanged".
#
# **Read.** Hsiao et al., [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 3.2, and
# their [code and data](https://github.com/YatingMusic/compound-word-transformer).


# %%
def remi_to_compound(words: Sequence[str]) -> np.ndarray:
    """Group the authors' words of REMI into compound words.

    `BAR` is a row of type Metrical whose bar-beat is Bar; all other fields are 0. A position is a
    row of type Metrical with the position as bar-beat; its tempo and chord are those that follow
    it, or CONTI. A note is a row of type Note with its pitch, duration and velocity; the other
    fields of such a row are 0. `END` is the row of zeros.

    Parameters
    ----------
    words : sequence of str
        As `encode_remi` returns them in the spelling `AUTHORS`. (If several chords fall on one
        step, the authors' compound words have the last one: they are made from the spelling
        `BEFORE_COMPOUND`.)

    Returns
    -------
    int array (rows, 7)
        Ids of the fields' words, in the order of `FIELDS`: `COMPOUND[field][id]`. The words are
        those of REMI, but a chord has no `Chord_` in front.

    Raises
    ------
    EtudeError
        If a word is not one of the authors'.

    Source: Hsiao et al. (2021), section 3.2.
    """
    # BEGIN SOLUTION
    ids = {field: {word: id for id, word in enumerate(COMPOUND[field])} for field in FIELDS}
    rows: list[list[int]] = []
    for word in words:
        if word not in AUTHORS.words:
            raise EtudeError(
                f"The word {word!r} is not one of the compound-word authors' REMI: encode the "
                "piece with the spelling AUTHORS."
            )
        kind, _ = AUTHORS.words[word]
        if kind == "end":
            rows.append([0] * len(FIELDS))
        elif kind == "bar":
            rows.append([0, 0, ids["bar-beat"]["Bar"], METRICAL, 0, 0, 0])
        elif kind == "position":
            rows.append([ids["tempo"]["CONTI"], ids["chord"]["CONTI"], 0, METRICAL, 0, 0, 0])
            rows[-1][BAR_BEAT] = ids["bar-beat"][word]
        else:
            if kind == "pitch":
                rows.append([0, 0, 0, NOTE, 0, 0, 0])
            rows[-1][FIELDS.index(kind)] = ids[kind][word.removeprefix("Chord_")]
    return np.array(rows)
    # END SOLUTION


# %% [markdown]
# ## 5.6 And back
#
# The fields that a model draws need not fit together: each field is drawn separately. A note
# without a pitch cannot be played; a note with a tempo can: the tempo is ignored.
#
# **By hand.** Pitch 61, duration 5, velocity 21 in a row of type 2 is `Note_Pitch_60
# Note_Velocity_80 Note_Duration_480`. The same row with pitch 0: no words, 1 broken.
#
# > **Predict.** A metrical row names a position, and has a pitch too. What do you do with the
# > pitch?
#
# **A different result?** `Note_Pitch_60 Note_Duration_480 Note_Velocity_80`: the fields' order is
# not the words' order. 0 broken: the row without a pitch was dropped silently.


# %%
def compound_to_remi(rows: np.ndarray) -> tuple[list[str], int]:
    """Turn any compound words into words of REMI, and count the rows that cannot be used.

    The type of a row decides its words: the end, which is the last word; a bar; a position, with
    its chord and then its tempo, unless they are 0 or CONTI; or a note: pitch, velocity, duration.
    Fields that do not belong to the row's type, or to a bar, are ignored. A metrical row whose
    bar-beat is 0, and a note in which one of its three fields is 0, are counted and left out.

    Parameters
    ----------
    rows : int array (n, 7)
        As `remi_to_compound` returns them; rows after the first end are not read.

    Returns
    -------
    words : list of str
    broken : int
        How many rows were left out.

    Raises
    ------
    EtudeError
        If an id of a row up to the first end is outside its field's vocabulary.
    """
    # BEGIN SOLUTION
    words, broken = [], 0
    for row in np.asarray(rows).tolist():
        for field, id in zip(FIELDS, row, strict=True):
            if not 0 <= id < len(COMPOUND[field]):
                raise EtudeError(
                    f"The id {id} is outside the vocabulary of the field {field!r}: its ids go "
                    f"from 0 to {len(COMPOUND[field]) - 1}."
                )
        named = [COMPOUND[field][id] for field, id in zip(FIELDS, row, strict=True)]
        note = [row[PITCH], row[VELOCITY], row[DURATION]]
        if row[TYPE] == END_ID:
            words.append(END)
            break
        if row[TYPE] == METRICAL and named[BAR_BEAT] == "Bar":
            words.append(BAR)
        elif row[TYPE] == METRICAL and row[BAR_BEAT]:
            words.append(named[BAR_BEAT])
            words += [f"Chord_{named[CHORD]}"] if row[CHORD] > 1 else []
            words += [named[TEMPO]] if row[TEMPO] > 1 else []
        elif row[TYPE] == NOTE and all(note):
            words += [named[PITCH], named[VELOCITY], named[DURATION]]
        else:
            broken += 1
    return words, broken
    # END SOLUTION


# %% [markdown]
# ## 5.7 Positions as waves
#
# Lab 4 learned a vector for each distance, and had none for distances that it had not seen. Memory
# makes distances long: 512 in training, 2,048 when the full preset is evaluated. Waves need no
# learning. Think of d/2 clock hands: the first turns fast, the last hardly at all, and each
# distance is a setting of all hands. Neighbours are close on all of them. The layers learn how to
# use this.
#
# ![Left, the 32 numbers of positions 0 to 63: fast waves above, ever slower ones below, first the
# sines, then the cosines. Right, the product of two vectors falls, in waves, with their distance;
# the curve from position 3 and the points from position 103 are the same.](pictures/5_7_waves.png)
#
# $$
# \begin{aligned}
# \omega_j &= 10000^{-2j/d} && j = 0, \dots, d/2 - 1 \\
# R_i &= (\sin(i \omega_0), \dots, \sin(i \omega_{d/2-1}), \cos(i \omega_0), \dots) && (d)
# \end{aligned}
# $$
#
# **By hand.** $d = 4$: $\omega = (1, 0.01)$.
#
# | position | sin | sin | cos | cos |
# |---|---|---|---|---|
# | 0 | 0 | 0 | 1 | 1 |
# | 1 | 0.841 | 0.010 | 0.540 | 1.000 |
# | 2 | 0.909 | 0.020 | −0.416 | 1.000 |
#
# > **Predict.** What is the product of the vectors of positions 3 and 5? Of 103 and 105?
#
# **A different result?** 0.100 in the second column: your exponent is j/d, not 2j/d. Position 1
# begins 0.841 | 0.540: sines and cosines alternate, which is Vaswani et al.'s order; here all sines
# come first, then all cosines.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.5; [Dive
# into Deep Learning](https://d2l.ai/chapter_attention-mechanisms-and-transformers/index.html),
# section 11.6, for more pictures of these waves.
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
def sinusoids(positions, d_model: int):
    """Give each position its point on d_model / 2 circles.

    Row i: sin(p ω_j) for all j, then cos(p ω_j) for all j, with p the i-th position and
    ω_j = 10000^(-2j / d_model), j = 0 … d_model / 2 - 1.

    Parameters
    ----------
    positions : int (n,), an array or a tensor
    d_model : int, even

    Returns
    -------
    float32 tensor (n, d_model)

    Source: Vaswani et al. (2017), section 3.5; halves side by side as in Dai et al. (2019)'s code.
    """
    # BEGIN SOLUTION
    frequencies = 10000.0 ** (-np.arange(0, d_model, 2) / d_model)
    angles = ops.cast(positions, "float32")[:, None] * frequencies.astype("float32")
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
    # END SOLUTION


# %% [markdown]
# ## 5.8 Four reasons to look back
#
# With absolute positions, a query and a key each contain their place, and the first word of a
# segment would look like the first word of the one before. Transformer-XL expands the product of
# query and key, and replaces what is absolute: the key's place by the distance, the query's place
# by two vectors that all queries share. Four terms remain, four reasons to look somewhere.
#
# ![Four heatmaps of queries by keys. (a) picks keys of the query's own kind; (b) fades with
# distance for some queries; (c) is a column at every bar; (d) fades for all. Later keys are
# grey.](pictures/5_8_terms.png)
#
# $$
# \begin{aligned}
# A_{ts} = \underbrace{q_t \cdot k_s}_{(a)\text{ content}}
#   + \underbrace{q_t \cdot r_{d}}_{(b)\text{ distance}}
#   + \underbrace{u \cdot k_s}_{(c)\text{ liked by all}}
#   + \underbrace{v \cdot r_{d}}_{(d)\text{ distance for all}}
#   && (B, \text{heads}, T, S),\ d = S - T + t - s
# \end{aligned}
# $$
#
# (a) and (c) are one product, (b) and (d) another. The second is ordered by distance and has to be
# shifted, as in Lab 4: pad, reshape, drop. A vector for every pair would be 34 million numbers a
# head (512 queries, 1,024 keys).
#
# **By hand.** One head of one number; two queries 1 and 2 after a memory of one; keys 1, 0, 1;
# u = 0.5, v = 1; r = 30, 20, 10 at the distances 2, 1, 0.
#
# | query | (a) + (c) | (b) + (d) by distance 2, 1, 0 | (b) + (d) by key | sum |
# |---|---|---|---|---|
# | 1 | 1.5, 0, 1.5 | 60, 40, 20 | 40, 20, – | 41.5, 20, – |
# | 2 | 2.5, 0, 2.5 | 90, 60, 30 | 90, 60, 30 | 92.5, 60, 32.5 |
#
# The first row's last key comes later and will be masked: its value can be anything.
#
# > **Predict.** Which of the four terms stay the same when a song is transposed? When it is played
# > from its second bar on?
#
# **A different result?** 77.5 in the second row: you added u to both queries: (2 + 0.5) · 30. 61.5,
# 40 in the first: you did not shift.
#
# **Read.** Dai et al., *Transformer-XL*, [arXiv:1901.02860](https://arxiv.org/abs/1901.02860),
# section 3.3 and appendix B (the shift); [Annotated Music
# Transformer](https://gudgud96.github.io/2020/04/01/annotated-music-transformer/), drawings of it.


# %%
def relative_scores(queries, keys, positions, content_bias, position_bias):
    """Score each query against each key by content and by distance: Transformer-XL's four terms.

    The queries are the last T of S positions: query t is at S - T + t, key s at s.

    Parameters
    ----------
    queries : (batch, heads, T, head_dim)
    keys : (batch, heads, S, head_dim), S at least T
    positions : (heads, S, head_dim)
        r of the distances S - 1, …, 1, 0, in this order.
    content_bias, position_bias : (heads, head_dim)
        u and v.

    Returns
    -------
    (batch, heads, T, S)
        (q_t + u) · k_s + (q_t + v) · r_(S - T + t - s), not scaled. Values where key s comes after
        query t have no meaning.

    Source: Dai et al. (2019), section 3.3 and appendix B.
    """
    # BEGIN SOLUTION
    by_content = ops.einsum("bhtk,bhsk->bhts", queries + content_bias[:, None], keys)
    by_distance = ops.einsum("bhtk,hsk->bhts", queries + position_bias[:, None], positions)
    batch, heads = ops.shape(by_distance)[:2]
    target, source = by_distance.shape[2:]
    padded = ops.pad(by_distance, [[0, 0], [0, 0], [0, 0], [1, 0]])
    flat = ops.reshape(padded, (batch, heads, target * (source + 1)))
    return by_content + ops.reshape(flat[:, :, target:], (batch, heads, target, source))
    # END SOLUTION


# %% [markdown]
# ## 5.9 A layer with memory
#
# In Pop1K7 one bar in ten repeats an earlier one note for note; in 65 % of these cases that one is
# more than 512 words back. Cut a song into segments of 512 words, and the model forgets it at each
# cut. Transformer-XL keeps each layer's inputs of the last segment, and lets the next segment look
# at them. No gradient goes there: the past is read, not changed, so a step costs one segment
# however long the song is. But these inputs were themselves made with the segment before: 12 layers
# with a memory of 512 reach 6,144 words back.
#
# ![Two segments, three levels. Solid arrows stay within segment 2; dashed ones come from the
# memory, segment 1, across a thick line that no gradient passes.](pictures/5_9_memory.png)
#
# $$
# \begin{aligned}
# h &= \text{norm}_1([\text{sg}(m); x]) && (B, M + T, d) \\
# A &= \text{softmax}(\text{scores}(h_{M:}, h) / \sqrt{d_h})
#   && (B, \text{heads}, T, M + T) \\
# y &= x + A V W_o && (B, T, d) \\
# z &= y + W_2 \text{relu}(W_1 \text{norm}_2(y)) && (B, T, d)
# \end{aligned}
# $$
#
# $m$ is the memory, sg stops the gradient, [ ; ] joins along time. Dropout and biases are left out.
#
# **By hand.** T = 2 after M = 2. Keys 0 and 1 are the memory. What does each query see?
#
# | query | all known | `same_length` | a new piece |
# |---|---|---|---|
# | 0 | 0, 1, 2 | 0, 1, 2 | 2 |
# | 1 | 0, 1, 2, 3 | 1, 2, 3 | 2, 3 |
#
# With `same_length` every query sees as many keys as the first; in a piece's first segment the
# memory is unknown. So query 0 of a new piece sees 2, and query 1 with `same_length` sees 1, 2, 3.
#
# ![Grids of three queries after a memory of three: all known, a growing triangle; same_length, a
# band of four; a new piece, nothing of the memory.](pictures/5_9_seen.png)
#
# > **Predict.** What does a model that was trained with same_length lose when the memory is halved?
#
# **A different result?** query 0 of a new piece sees 0, 1, 2: `known` is not used. query 1 with
# `same_length` sees 0, 1, 2, 3: the option is ignored. A gradient at the memory that is not 0: you
# stopped it at the keys and forgot the values.
#
# **Read.** Dai et al., [arXiv:1901.02860](https://arxiv.org/abs/1901.02860), section 3.2.


# %%
class XLLayer(layers.Layer):
    """A Transformer layer that also looks at a memory: its inputs at earlier positions.

    x ← x + dropout(attention), x ← x + dropout(W_2 relu(W_1 norm_2(x) + b_1) + b_2). Attention is
    over memory and x, both through `norm_1`: queries of x, keys and values of both, positions the
    `sinusoids` of the distances through the kernel of `position`; `relative_scores` / √head_dim,
    softmax in float32, the heads' outputs together through `output_projection`. No gradient goes
    into the memory.

    A position attends to itself, to those before it, and to the memory where that is known; with
    `same_length` no further back than the length of the memory: distances up to M. Elsewhere
    subtract 1e9 from the scores.

    Call
    ----
    x : (batch, T, d_model)
    memory : (batch, M, d_model), M from 0
    known : bool (batch, M), which positions of the memory belong to the same piece
    biases : (2, num_heads, head_dim), u and v, which all layers of the model share

    Returns
    -------
    (batch, T, d_model)

    Weights
    -------
    Of `query`, `key`, `value`, `position`: kernel (d_model, num_heads, head_dim); of
    `output_projection`: kernel (num_heads, head_dim, d_model): none has a bias. Of `expand`,
    `contract`: kernel and bias; of `norm_1`, `norm_2`: gamma and beta.

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`.

    Source: Dai et al. (2019), section 3; normalised first as in the published table.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        dropout: float = 0.0,
        same_length: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.num_heads, self.head_dim = d_model, num_heads, d_model // num_heads
        self.ff_dim, self.same_length = ff_dim, same_length
        self.query, self.key, self.value, self.position = (
            layers.EinsumDense(
                "btd,dhk->bhtk", (num_heads, None, self.head_dim), name=f"{self.name}_{part}"
            )
            for part in ("query", "key", "value", "position")
        )
        self.output_projection = layers.EinsumDense(
            "bhtk,hkd->btd", (None, d_model), name=f"{self.name}_output_projection"
        )
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.position, self.norm_1, self.norm_2):
            layer.build((None, None, self.d_model))
        self.output_projection.build((None, self.num_heads, None, self.head_dim))
        self.expand.build((None, None, self.d_model))
        self.contract.build((None, None, self.ff_dim))

    def call(self, x, memory, known, biases, training=None):
        # BEGIN SOLUTION
        length, reach = x.shape[1], memory.shape[1]
        both = self.norm_1(ops.concatenate([ops.stop_gradient(memory), x], axis=1))
        positions = self.place(np.arange(reach + length)[::-1])
        scores = relative_scores(
            self.query(both[:, reach:]), self.key(both), positions, biases[0], biases[1]
        )
        distances = np.arange(reach, reach + length)[:, None] - np.arange(reach + length)
        seen = (distances >= 0) & (distances <= (reach if self.same_length else np.inf))
        own = ops.ones_like(x[:, :, 0], dtype="bool")
        seen = ops.logical_and(seen, ops.concatenate([known, own], axis=1)[:, None, None])
        scores = ops.cast(scores, "float32") * self.head_dim**-0.5
        weights = ops.softmax(ops.where(seen, scores, scores - 1e9), axis=-1)
        mixed = ops.einsum("bhts,bhsk->bhtk", ops.cast(weights, x.dtype), self.value(both))
        x = x + self.dropout(self.output_projection(mixed), training=training)
        changed = self.contract(self.expand(self.norm_2(x)))
        return x + self.dropout(changed, training=training)
        # END SOLUTION

    def place(self, distances):
        """Turn distances (n,) into the r of `relative_scores`, (num_heads, n, head_dim)."""
        # BEGIN SOLUTION
        waves = ops.cast(sinusoids(distances, self.d_model), self.compute_dtype)
        return self.position(waves[None])[0]
        # END SOLUTION

    def recall(self, memory):
        """Compute the keys and values of a memory, (batch, num_heads, M, head_dim) each.

        They equal those that `call` computes; kept from step to step, they need not be computed
        again.
        """
        # BEGIN SOLUTION
        normed = self.norm_1(memory)
        return self.key(normed), self.value(normed)
        # END SOLUTION

    def step(self, x, slot, known, biases, old_keys, old_values, positions, new_keys, new_values):
        """Do for one position what `call` does, from the keys and values of those before it.

        It attends to itself and to the M positions before it, whatever `same_length` is: as `call`
        does for one position after a memory of M.

        Parameters
        ----------
        x : (batch, 1, d_model)
        slot : int scalar, the slot of the new part that x is written to
        known : bool (batch, M), of the old part
        biases : (2, num_heads, head_dim)
        old_keys, old_values : (batch, num_heads, M, head_dim), of the positions before slot 0
        positions : (num_heads, M + 1, head_dim), r of the distances M, …, 1, 0
        new_keys, new_values : (batch, num_heads, slots, head_dim), written up to `slot` - 1

        Returns
        -------
        output (batch, 1, d_model), and new_keys, new_values with this position written in.
        """
        # BEGIN SOLUTION
        normed, reach, slots = self.norm_1(x), old_keys.shape[2], new_keys.shape[2]
        new_keys = ops.slice_update(new_keys, [0, 0, slot, 0], project(self.key, normed))
        new_values = ops.slice_update(new_values, [0, 0, slot, 0], project(self.value, normed))
        query = project(self.query, normed)
        distances = reach + slot - ops.arange(reach + slots)
        near = ops.logical_and(distances >= 0, distances <= reach)
        own = ops.ones_like(new_keys[:, 0, :, 0], dtype="bool")
        seen = ops.logical_and(near, ops.concatenate([known, own], axis=1))[:, None, None]
        liked = query + biases[0][:, None]
        parts = [ops.einsum("bhtk,bhsk->bhts", liked, keys) for keys in (old_keys, new_keys)]
        by_distance = ops.einsum("bhtk,hdk->bhtd", query + biases[1][:, None], positions)
        row = ops.clip(reach - distances, 0, reach)
        scores = ops.concatenate(parts, axis=-1) + ops.take(by_distance, row, axis=-1)
        scores = ops.cast(scores, "float32") * self.head_dim**-0.5
        weights = ops.softmax(ops.where(seen, scores, scores - 1e9), axis=-1)
        weights = ops.cast(weights, x.dtype)
        mixed = ops.matmul(weights[..., :reach], old_values)
        mixed = mixed + ops.matmul(weights[..., reach:], new_values)
        x = x + project(self.output_projection, mixed)
        return x + self.contract(self.expand(self.norm_2(x))), new_keys, new_values
        # END SOLUTION


# %% [markdown]
# ## 5.10 Transformer-XL
#
# The model returns its memory and gets it back as an argument; it stores none. So one model can
# read twenty pieces side by side, each with its own memory. It can be trained with 256 positions
# and evaluated with 1,024. And when a row's piece ends, that row's memory is marked unknown, and
# nothing else changes. A layer's memory is what the layer *read*, its input, not what it gave.
#
# ![Twenty words in five segments of four, with a memory of four. Words that change the scores after
# the last word are marked: 4 back with one layer, 8 with two, 12 with
# three.](pictures/5_10_reach.png)
#
# **By hand.** d_model 4, a memory of 3, segments of 2. The embedding of word w is (w, 0, 0, 0);
# times √4 the first layer reads (2w, 0, 0, 0). After each segment its memory holds the last three
# of what was there and what is new:
#
# | segment | first numbers | known |
# |---|---|---|
# | before | 0, 0, 0 | no, no, no |
# | 1, 2 | 0, 2, 4 | no, yes, yes |
# | 3, 4 | 4, 6, 8 | yes, yes, yes |
#
# The published size has 12 layers, d_model 512, 8 heads, ff_dim 2,048, 332 words:
#
# | weights | number |
# |---|---|
# | five kernels a layer | 5·512² = 1,310,720 |
# | feed-forward a layer | 2·512·2,048 + 2,048 + 512 = 2,099,712 |
# | two norms a layer | 4·512 = 2,048 |
# | 12 layers | 40,949,760 |
# | u and v, for all layers | 1,024 |
# | embedding, output | 169,984 + 170,316 |
# | together | 41,291,084 |
#
# That is the published number, to the last weight.
#
# Nats a note on test pieces, by the memory that is read in evaluation. One network was trained with
# a memory of 256 words; the other, of the same size, without, on 1.6 or 1.7 times as many words at
# the same cost (`make lab5`; MAESTRO, where a piece has 23,000 words: `make lab5 PRESET=laptop`):
#
# | memory | chorales: with | without | MAESTRO: with | without |
# |---|---|---|---|---|
# | 0 | 3.02 | 2.53 | 8.52 | 8.29 |
# | 256 | 2.76 | 2.43 | 8.21 | 8.15 |
# | 1,024 | 2.76 | 2.43 | 8.22 | 8.17 |
# | what 256 save, 95 % | 0.21 to 0.32 | | 0.30 to 0.31 | |
#
# Each as it was trained: memory wins on MAESTRO (8.21 against 8.29) and loses on chorales, whose
# pieces are short. But it helps the network that had none in training as well, and that one, with
# its additional words, is then the best of all. A longer memory than in training adds nothing.
#
# > **Predict.** The memory is 512 and the segment 512. How many keys does the last query see? And
# > the first?
#
# **A different result?** 2, 3, 4 after the second segment: the embedding is not scaled. no, no, no:
# `known` does not move along with the words.
#
# **Read.** Dai et al., [arXiv:1901.02860](https://arxiv.org/abs/1901.02860), section 3.2, figure 2.


# %%
class TransformerXL(keras.Model):
    """Score, after each word, what may come next, with a memory of earlier segments.

    ids → embedding × √d_model → dropout → `num_layers` × `XLLayer` → output. No norm at the end.
    Logits are float32 whatever the precision.

    A memory is a list: `known`, bool (batch, M), then for each layer in turn its inputs at the last
    M positions, (batch, M, d_model). Its length M is the same for all segments; positions that are
    not known yet are zeros.

    Parameters
    ----------
    vocab_size, d_model, num_heads, ff_dim, num_layers : int
    memory_length : int
        M of an empty memory, by default.
    dropout : float
    same_length : bool
        As in `XLLayer`.

    Call
    ----
    ids : int (batch, length)
    training : bool or None

    Returns
    -------
    float32 (batch, length, vocab_size)
        Logits, without any memory.

    Source: Dai et al. (2019), section 3; sizes of the published table: Hsiao et al. (2021),
    `uncond/Experiments.md` of their code.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        memory_length: int,
        dropout: float = 0.0,
        same_length: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.num_heads, self.memory_length = d_model, num_heads, memory_length
        self.embedding = layers.Embedding(vocab_size, d_model, name="embedding")
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            XLLayer(d_model, num_heads, ff_dim, dropout, same_length, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.output_layer = layers.Dense(
            vocab_size,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype="float32",
            name="output",
        )

    def build(self, input_shape):
        self.embedding.build(input_shape)
        for block in self.blocks:
            block.build((None, None, self.d_model))
        self.output_layer.build((None, None, self.d_model))
        self.biases = self.add_weight(
            shape=(2, self.num_heads, self.d_model // self.num_heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="biases",
        )

    def empty_memory(self, batch_size: int, memory_length: int | None = None) -> list:
        """Make a memory of zeros in which nothing is known."""
        # BEGIN SOLUTION
        length = self.memory_length if memory_length is None else memory_length
        zeros = ops.zeros((batch_size, length, self.d_model), self.compute_dtype)
        return [ops.zeros((batch_size, length), "bool"), *[zeros for _ in self.blocks]]
        # END SOLUTION

    def call(self, ids, training=None):
        # BEGIN SOLUTION
        return self.read(ids, self.empty_memory(ops.shape(ids)[0], 0), training=training)[0]
        # END SOLUTION

    def read(self, ids, memory, training=None):
        """Score a segment after a memory.

        Returns
        -------
        logits float32 (batch, length, vocab_size), and the memory for the next segment: the last M
        positions of memory and segment together. No gradient goes through it.
        """
        # BEGIN SOLUTION
        known, *hiddens = memory
        reach = known.shape[1]

        def latest(old, new):
            both = ops.concatenate([old, new], axis=1)
            return ops.stop_gradient(both[:, both.shape[1] - reach :])

        hidden = self.dropout(self.embedding(ids) * self.d_model**0.5, training=training)
        kept = [latest(known, ops.ones_like(ids, dtype="bool"))]
        for block, old in zip(self.blocks, hiddens, strict=True):
            kept.append(latest(old, hidden))
            hidden = block(hidden, old, known, self.biases, training=training)
        return ops.cast(self.output_layer(hidden), "float32"), kept
        # END SOLUTION

    def start(self, primers, slots: int) -> tuple[list, list]:
        """Read primers except for their last word, and make room for what is generated.

        Parameters
        ----------
        primers : int (batch, primer length), at least one word each
        slots : int
            How many steps fit before `move` is needed.

        Returns
        -------
        cache : list
            What the steps only read: `known` of a memory of `memory_length`, and for each layer the
            keys and the values of that memory, and the r of the distances memory_length, …, 1, 0.
        state : list
            What the steps change: the next slot, an int32 scalar, and for each layer the keys and
            the values of the new part, zeros (batch, num_heads, slots, head_dim).
        """
        # BEGIN SOLUTION
        memory = self.empty_memory(ops.shape(primers)[0])
        if primers.shape[1] > 1:
            _, memory = self.read(primers[:, :-1], memory)
        cache, state = [memory[0]], [ops.convert_to_tensor(0, "int32")]
        for block, hidden in zip(self.blocks, memory[1:], strict=True):
            keys, values = block.recall(hidden)
            cache += [keys, values, block.place(np.arange(self.memory_length + 1)[::-1])]
            state += [ops.zeros_like(ops.repeat(keys[:, :, :1], slots, axis=2)) for _ in range(2)]
        return cache, state
        # END SOLUTION

    def step(self, words, cache, state) -> tuple:
        """Read one word a row, (batch,): what the last layer gives, (batch, d_model), and state."""
        # BEGIN SOLUTION
        hidden, (slot, *new) = self.embedding(words[:, None]) * self.d_model**0.5, state
        written = []
        for i, block in enumerate(self.blocks):
            old = cache[1 + 3 * i : 4 + 3 * i]
            hidden, *own = block.step(
                hidden, slot, cache[0], self.biases, *old, *new[2 * i : 2 * i + 2]
            )
            written += own
        return hidden[:, 0], [slot + 1, *written]
        # END SOLUTION

    def move(self, cache, state) -> tuple[list, list]:
        """Move full new parts into the old ones, and keep the last `memory_length` positions."""
        # BEGIN SOLUTION
        reach = self.memory_length

        def latest(old, new, axis):
            both = ops.concatenate([old, new], axis=axis)
            return ops.take(both, np.arange(both.shape[axis] - reach, both.shape[axis]), axis=axis)

        moved = [latest(cache[0], ops.ones_like(state[1][:, 0, :, 0], dtype="bool"), 1)]
        for i in range(len(self.blocks)):
            keys, values, positions = cache[1 + 3 * i : 4 + 3 * i]
            new_keys, new_values = state[1 + 2 * i : 3 + 2 * i]
            moved += [latest(keys, new_keys, 2), latest(values, new_values, 2), positions]
        return moved, [ops.zeros_like(state[0]), *state[1:]]
        # END SOLUTION

    def draw(self, hidden, noise, temperatures: Sequence[float], top_ps: Sequence[float]):
        """Draw the next word of each row from what `step` gives.

        The output's logits through `filter_logits` with temperatures[0] and top_ps[0]; then argmax
        of logits + noise. hidden: (batch, d_model); noise: (batch, vocab_size), Gumbel distributed.
        Returns int32 (batch,).
        """
        # BEGIN SOLUTION
        logits = filter_logits(self.output_layer(hidden), temperatures[0], top_ps[0])
        return ops.cast(ops.argmax(logits + noise, axis=-1), "int32")
        # END SOLUTION


# %% [markdown]
# ## 5.11 Streams of pieces
#
# Lab 4's crops were cut at random. A memory needs the opposite: what a row reads next must follow
# what it read last. So each row of a batch reads a piece from its first word to its last, segment
# by segment, and then begins another. The batch marks such rows, because the memory of the old
# piece must not be used for the new one. A chorale has 781 words (the median): with segments of
# 256, a row begins a new one every four batches.
#
# ![Two rows over five batches of three words. Piece A fills row 0 for three batches, then piece D
# begins there; in row 1, piece C follows piece B. A triangle marks where a row is fresh. Dashes are
# padding.](pictures/5_11_streams.png)
#
# **By hand.** Pieces of 5, 2 and 3 words; two rows; segments of 2.
#
# | batch | row 0 | row 1 | fresh |
# |---|---|---|---|
# | 1 | piece 0: words 0, 1 | piece 1: words 0, 1 | yes, yes |
# | 2 | piece 0: words 2, 3 | piece 2: words 0, 1 | no, yes |
# | 3 | piece 0: word 4, – | piece 2: word 2, – | no, no |
#
# 3 batches. These are the targets; the inputs are the words before them, so batch 2's row 0 reads
# words 1 and 2. Before a piece's first word stands START.
#
# > **Predict.** Why would sorting pieces by length, as the published code does, bias training?
#
# **A different result?** 5 batches: you began a new piece only when all rows had finished theirs.
#
# **Read.** `LMShuffledIterator` in Transformer-XL's own
# [data_utils.py](https://github.com/kimiyoung/transformer-xl/blob/master/pytorch/data_utils.py)
# packs its streams without padding: another answer to the same question.


# %%
def stream_batches(
    tokens: np.ndarray, offsets: np.ndarray, length: int, batch_size: int, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cut each piece into segments in order, so that a row's memory fits what it reads next.

    Piece i is tokens[offsets[i]:offsets[i + 1]], its end included. Its targets are its words, its
    inputs the words before them, with `START_ID` (in all fields) before the first. Every word is a
    target exactly once. A segment is the next `length` words of its row's piece, or what is left of
    it. A row whose piece is finished begins the next piece in the next batch; if there are several
    such rows, the first row takes the next piece first. When no piece is left, a row is empty. The
    batches end with the last word.

    Parameters
    ----------
    tokens : int array (all words,), or (all words, fields)
        Possibly memory-mapped: only what a segment needs is read.
    offsets : int array (pieces + 1,)
        No piece is empty.
    length, batch_size : int
    seed : int, optional
        Pieces are taken in the order of `np.random.default_rng(seed).permutation`; without a seed
        in their own order.

    Yields
    ------
    inputs, targets : int32 arrays (batch_size, length), or with fields at the end
        To the right of a segment, and in an empty row, inputs are 0 and targets `PAD`.
    fresh : bool array (batch_size,)
        Which rows begin a piece: their memory must be forgotten. Empty rows do not begin one.

    Raises
    ------
    EtudeError
        If `length` or `batch_size` is below 1, at the first batch.
    """
    # BEGIN SOLUTION
    if length < 1 or batch_size < 1:
        raise EtudeError(
            f"Segments of {length} words, {batch_size} at a time: both have to be at least 1."
        )
    pieces = len(offsets) - 1
    order = range(pieces) if seed is None else np.random.default_rng(seed).permutation(pieces)
    waiting = iter(order)
    places = [(0, 0)] * batch_size  # where each row reads on, and where its piece ends
    while True:
        shape = (batch_size, length, *tokens.shape[1:])
        inputs, targets = np.full(shape, START_ID, np.int32), np.full(shape, PAD, np.int32)
        fresh = np.zeros(batch_size, bool)
        for row, (begin, end) in enumerate(places):
            if begin == end and (piece := next(waiting, None)) is not None:
                begin, end = int(offsets[piece]), int(offsets[piece + 1])
                fresh[row] = True
            last = min(begin + length, end)
            targets[row, : last - begin] = tokens[begin:last]
            first = 1 if fresh[row] else 0  # START stands there
            inputs[row, first : last - begin] = tokens[begin + first - 1 : last - 1]
            places[row] = last, end
        if (targets == PAD).all():
            return
        yield inputs, targets, fresh
    # END SOLUTION


# %% [markdown]
# ## 5.12 Attention without softmax
#
# Softmax needs every query with every key: 2,071 rows, a song of the middle length, make 4.3
# million scores a head. Instead, make a weight a product of a function of the query and a function
# of the key, both positive. Then the sum over the keys can be computed before the query is known:
# $(QK^\top)V = Q(K^\top V)$. You gain length; you lose the sharp choice: a weight no longer grows
# with the exponential of the fit.
#
# ![Two orders of one product, drawn to scale. (Q Kᵀ) V makes a large square of weights first; Q (Kᵀ
# V) makes a small square S first, whose size does not depend on the
# length.](pictures/5_12_products.png)
#
# $$
# \begin{aligned}
# \varphi(x) &= \text{elu}(x) + 1 = \begin{cases} x + 1 & x > 0 \\ e^x & x \le 0 \end{cases} \\
# y_t &= \frac{\sum_{s \le t} (\varphi(q_t) \cdot \varphi(k_s)) v_s}
#             {\sum_{s \le t} \varphi(q_t) \cdot \varphi(k_s) + 10^{-6}}
#   && (B, \text{heads}, T, d_h)
# \end{aligned}
# $$
#
# **By hand.** One number a head. q = 1, −1, 0; k = 0, 1, −1; v = 10, 20, 60: φ(q) = 2, 0.368, 1;
# φ(k) = 1, 2, 0.368.
#
# | t | weights | y |
# |---|---|---|
# | 0 | 1 | 10 |
# | 1 | 1/3, 2/3 | 16.667 |
# | 2 | 0.297, 0.594, 0.109 | 21.4 |
#
# This task computes y by the definition, with all weights; 5.13 computes the same without them.
#
# ![Weights of 16 random queries and keys. With softmax a few keys get most of the weight; with
# linear attention the same queries spread it over nearly all keys.](pictures/5_12_weights.png)
#
# > **Predict.** With one number a head, does the query change anything? With two?
#
# **A different result?** $y_0$ = 21.4: not causal. $y_1$ = 18.394: not divided by the sum of the
# weights, which is 1.104 here.
#
# **Read.** Katharopoulos et al., *Transformers are RNNs*,
# [arXiv:2006.16236](https://arxiv.org/abs/2006.16236), sections 3.2 and 3.3.


# %%
def linear_attention(queries, keys, values):
    """Attend causally with the weights φ(q) · φ(k), φ(x) = elu(x) + 1, by the definition.

    y_t = Σ_{s ≤ t} (φ(q_t) · φ(k_s)) v_s / (Σ_{s ≤ t} φ(q_t) · φ(k_s) + 1e-6), in float32.

    queries, keys: (batch, heads, T, head_dim); values: (batch, heads, T, value_dim). Returns
    (batch, heads, T, value_dim), in the values' dtype.

    Source: Katharopoulos et al. (2020), equations 5 and 7; the 1e-6 is that of their code.
    """
    # BEGIN SOLUTION
    queries, keys = (ops.elu(ops.cast(part, "float32")) + 1 for part in (queries, keys))
    weights = ops.einsum("bhtk,bhsk->bhts", queries, keys)
    weights = ops.where(np.tri(queries.shape[2], dtype=bool), weights, 0.0)
    mixed = ops.einsum("bhts,bhsv->bhtv", weights, ops.cast(values, "float32"))
    return ops.cast(mixed / (ops.sum(weights, axis=-1, keepdims=True) + 1e-6), values.dtype)
    # END SOLUTION


# %% [markdown]
# ## 5.13 In chunks
#
# The definition still makes $T^2$ weights. The sum over all keys up to t is a matrix, $S_t$, to
# which each step adds one product; but T matrices are too many as well, and a loop over T steps is
# slow. The practical way lies in between: cut the sequence into chunks. Inside a chunk, use the
# definition; from one chunk to the next, the matrix. Memory: $T c + (T / c) d_h^2$ numbers a
# head, least at $c = d_h$.
#
# ![A square of 12 queries by 12 keys in chunks of 4. Small triangles on the diagonal use the
# definition; all that lies below them in a chunk's rows is one matrix S; the half above is never
# computed.](pictures/5_13_chunks.png)
#
# $$
# \begin{aligned}
# S^{(i)} &= \textstyle\sum_{s < ic} \varphi(k_s) v_s^\top && (B, \text{heads}, T/c, d_h, d_v) \\
# z^{(i)} &= \textstyle\sum_{s < ic} \varphi(k_s) && (B, \text{heads}, T/c, d_h) \\
# a_{ts} &= \varphi(q_t) \cdot \varphi(k_s), \quad ic \le s \le t
#   && (B, \text{heads}, T/c, c, c) \\
# y_t &= \frac{\varphi(q_t)^\top S^{(i)} + \sum_s a_{ts} v_s}
#             {\varphi(q_t) \cdot z^{(i)} + \sum_s a_{ts} + 10^{-6}}
#   && (B, \text{heads}, T, d_v)
# \end{aligned}
# $$
#
# **By hand.** The numbers of 5.12 in chunks of 2. Before chunk 1: $S$ = 1·10 + 2·20 = 50, $z$ = 3.
# So $y_2$ = (1·50 + 0.368·60) / (1·3 + 0.368) = 21.4, as it must be.
#
# Measured, one training step of four layers of the published size, one song, 2 CPU cores:
#
# | positions | 512 | 1,024 | 2,048 | 4,096 | 8,192 |
# |---|---|---|---|---|---|
# | 5.12, MB | 307 | 623 | 1,695 | | |
# | 5.13, MB | 267 | 432 | 759 | 1,437 | 2,626 |
#
# ![CPU seconds and peak memory of attention alone, by length, on logarithmic scales. The definition
# of 5.12 climbs twice as steeply as the chunks of 5.13, and costs more from 1,024 positions
# on.](pictures/5_13_cost.png)
#
# Attention alone, 8 heads of 64, forward and back: at 2,048 positions 0.49 CPU-seconds and 750 MB
# by the definition, 0.14 and 80 in chunks.
#
# > **Predict.** Twice as long a song: by what factor do time and memory grow, here and in 5.12?
#
# **A different result?** $y_2$ = 60: the sums of the earlier chunks are missing. $y_0$ = 15: the
# sum includes the chunk itself, which then counts twice.
#
# **Read.** Hua et al., *Transformer Quality in Linear Time*,
# [arXiv:2202.10447](https://arxiv.org/abs/2202.10447), section 3.2, for chunks; Katharopoulos et
# al., [arXiv:2006.16236](https://arxiv.org/abs/2006.16236), section 3.3, for the sums.


# %%
def causal_linear_attention(queries, keys, values, chunk: int = 64):
    """Do `linear_attention` in memory that grows with the length, not with its square.

    Chunks of `chunk` positions, the last one perhaps shorter: use the definition within a chunk,
    and the sums of all chunks before it. All sums are float32, so that half precision does not
    overflow. No loop over positions.

    Parameters
    ----------
    queries, keys : (batch, heads, T, head_dim), T at least 1
    values : (batch, heads, T, value_dim)
    chunk : int
        The result does not depend on it.

    Returns
    -------
    output : (batch, heads, T, value_dim), in the values' dtype
    sums : float32 (batch, heads, head_dim, value_dim)
        Σ φ(k_s) v_sᵀ over all positions.
    normaliser : float32 (batch, heads, head_dim)
        Σ φ(k_s) over all positions.

    Source: Katharopoulos et al. (2020), section 3.3; chunks as in Hua et al. (2022), section 3.2.
    """
    # BEGIN SOLUTION
    length, chunk = queries.shape[2], min(chunk, queries.shape[2])
    missing = -length % chunk

    def chunks(part):
        """Cut (batch, heads, T, features) into (batch, heads, chunks, chunk, features)."""
        batch, heads, _, features = ops.shape(part)
        padded = ops.pad(part, [[0, 0], [0, 0], [0, missing], [0, 0]])
        return ops.reshape(padded, (batch, heads, (length + missing) // chunk, chunk, features))

    def before(sums):
        """Give each chunk the sum over those before it."""
        return ops.concatenate([ops.zeros_like(sums[:, :, :1]), sums[:, :, :-1]], axis=2)

    queries, keys = (chunks(ops.elu(ops.cast(part, "float32")) + 1) for part in (queries, keys))
    dtype, values = values.dtype, chunks(ops.cast(values, "float32"))
    sums = ops.cumsum(ops.einsum("bhcsk,bhcsv->bhckv", keys, values), axis=2)
    normaliser = ops.cumsum(ops.sum(keys, axis=3), axis=2)
    weights = ops.einsum("bhctk,bhcsk->bhcts", queries, keys)
    weights = ops.where(np.tri(chunk, dtype=bool), weights, 0.0)
    mixed = ops.matmul(queries, before(sums)) + ops.matmul(weights, values)
    total = ops.einsum("bhctk,bhck->bhct", queries, before(normaliser)) + ops.sum(weights, axis=-1)
    mixed = mixed / (total[..., None] + 1e-6)
    batch, heads = ops.shape(mixed)[:2]
    mixed = ops.reshape(mixed, (batch, heads, length + missing, mixed.shape[-1]))[:, :, :length]
    return ops.cast(mixed, dtype), sums[:, :, -1], normaliser[:, :, -1]
    # END SOLUTION


# %% [markdown]
# ## 5.14 One step: a Transformer that is an RNN
#
# All that a query needs of the past is one matrix and one vector, of the same size after 10 steps
# and after 10,000. For generation, keep those: like an RNN, the layer has a state. XL's cache, with
# a memory of 512, holds 512 keys and 512 values a head: 65,536 numbers; this state holds 4,160.
# What is lost is room. Every step is added to the same matrix, and nothing is ever removed: the
# more steps, the less a single one can be found again.
#
# ![Three heatmaps of the state S, which fills up from step 1 to step 64. Beside them a curve: asked
# with the key of step 1, softmax still gives its value a large share after 64 steps; linear
# attention gives it less and less.](pictures/5_14_state.png)
#
# $$
# \begin{aligned}
# S &\leftarrow S + \varphi(k) v^\top && (B, \text{heads}, d_h, d_v) \\
# z &\leftarrow z + \varphi(k) && (B, \text{heads}, d_h) \\
# y &= \frac{\varphi(q)^\top S}{\varphi(q) \cdot z + 10^{-6}} && (B, \text{heads}, d_v)
# \end{aligned}
# $$
#
# **By hand.** After the two steps of 5.13, S = 50 and z = 3. The third has φ(k) = 0.368, φ(q) = 1
# and v = 60: S = 50 + 0.368·60, so S = 72.073, z = 3.368, y = 21.4, once more.
#
# > **Predict.** What happens to a state that has summed 20,000 steps in float16?
#
# **A different result?** y = 16.667: you added the position's own key after computing y. S = −10:
# the key entered as it is, −1, without φ.
#
# **Read.** Katharopoulos et al., [arXiv:2006.16236](https://arxiv.org/abs/2006.16236), section 3.4;
# Schlag et al., [arXiv:2102.11174](https://arxiv.org/abs/2102.11174), section 4.1: how many steps
# such a state can hold.


# %%
def linear_attention_step(query, key, value, sums, normaliser):
    """Do for one position what `linear_attention` does, from the sums over those before it.

    Parameters
    ----------
    query, key : (batch, heads, head_dim)
    value : (batch, heads, value_dim)
    sums : float32 (batch, heads, head_dim, value_dim)
    normaliser : float32 (batch, heads, head_dim)

    Returns
    -------
    output (batch, heads, value_dim) in the value's dtype, and the sums and the normaliser with this
    position included, float32.

    Source: Katharopoulos et al. (2020), equations 18 to 20.
    """
    # BEGIN SOLUTION
    query, key = (ops.elu(ops.cast(part, "float32")) + 1 for part in (query, key))
    sums = sums + key[..., None] * ops.cast(value, "float32")[..., None, :]
    normaliser = normaliser + key
    mixed = ops.matmul(query[..., None, :], sums)[..., 0, :]
    total = ops.sum(query * normaliser, axis=-1, keepdims=True)
    return ops.cast(mixed / (total + 1e-6), value.dtype), sums, normaliser
    # END SOLUTION


# %% [markdown]
# The layer around it is given: attention, then two dense layers; each result is added to its input
# and then normalised.


# %%
class LinearLayer(layers.Layer):
    """A Transformer layer with linear attention, normalised after each addition.

    x: (batch, length, d_model). As Hsiao et al.'s, which is `fast_transformers`': biases
    everywhere, exact gelu.
    """

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.num_heads, self.ff_dim = d_model, num_heads, ff_dim
        head_dim = d_model // num_heads
        self.query, self.key, self.value = (
            layers.EinsumDense(
                "btd,dhk->bhtk",
                (num_heads, None, head_dim),
                bias_axes="hk",
                name=f"{self.name}_{part}",
            )
            for part in ("query", "key", "value")
        )
        self.output_projection = layers.EinsumDense(
            "bhtk,hkd->btd", (None, d_model), bias_axes="d", name=f"{self.name}_output_projection"
        )
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="gelu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.norm_1, self.norm_2, self.expand):
            layer.build((None, None, self.d_model))
        self.output_projection.build((None, self.num_heads, None, self.d_model // self.num_heads))
        self.contract.build((None, None, self.ff_dim))

    def call(self, x, training=None):
        return self.read(x, training=training)[0]

    def read(self, x, training=None):
        """Return the result, and the sums and the normaliser after the last position."""
        heard, *kept = causal_linear_attention(self.query(x), self.key(x), self.value(x))
        return self._transform(x, self.output_projection(heard), training), *kept

    def step(self, x, sums, normaliser):
        """Do for one position, x (batch, 1, d_model), what the call does for all."""
        query, key, value = (
            project(part, x)[:, :, 0] for part in (self.query, self.key, self.value)
        )
        heard, *kept = linear_attention_step(query, key, value, sums, normaliser)
        heard = project(self.output_projection, heard[:, :, None])
        return self._transform(x, heard, None), *kept

    def _transform(self, x, heard, training):
        x = self.norm_1(x + self.dropout(heard, training=training))
        changed = self.contract(self.expand(x))
        return self.norm_2(x + self.dropout(changed, training=training))


# %% [markdown]
# ## 5.15 Seven embeddings
#
# A row has seven ids. A tempo and a pitch have nothing in common, so one table for all fields makes
# no sense. Each field has its own table, wide where there is much to say (512 numbers for a pitch,
# 32 for a type), and one matrix turns all seven into the vector for the layers.
#
# ![Seven vectors side by side, drawn as wide as they are, from 32 numbers for the type to 512 for
# the pitch; an arrow, the join, leads to one vector x of 512 numbers.](pictures/5_15_embedding.png)
#
# $$
# \begin{aligned}
# x &= [\sqrt{w_1} E_1[c_1]; \dots; \sqrt{w_7} E_7[c_7]] W + b && (B, T, d)
# \end{aligned}
# $$
#
# **By hand.** Width 4 for the first field and 1 for the other six; all tables and $W$ hold ones,
# $b$ is 0, d = 1: $x = 4 \cdot \sqrt{4} + 6 \cdot \sqrt{1}$ = 14. Published: widths 128 + 256 + 64
# + 32 + 512 + 128 + 128 = 1,248; times 512, and 512 biases, are 639,488 weights, more than the
# seven tables together (93,024).
#
# > **Predict.** What does a sum of seven embeddings lose that the join keeps?
#
# **A different result?** 10: the √w is missing. 22: you scaled by the width, not by its root.
#
# **Read.** Hsiao et al., [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 4.1.


# %%
class CompoundEmbedding(layers.Layer):
    """Turn rows of seven ids into vectors: a table a field, joined, then projected.

    Each field's vector times the square root of its width; all seven in the order of the fields,
    through a dense layer.

    Call
    ----
    words : int (batch, length, 7)

    Returns
    -------
    (batch, length, d_model)

    Weights
    -------
    Of `table_0` … `table_6`: embeddings (size, width); of `join`: kernel (sum of widths, d_model),
    bias.

    Source: Hsiao et al. (2021), section 4.1, equation 4.
    """

    def __init__(self, sizes: Sequence[int], widths: Sequence[int], d_model: int, **kwargs):
        super().__init__(**kwargs)
        self.widths = widths
        self.tables = [
            layers.Embedding(size, width, name=f"{self.name}_table_{i}")
            for i, (size, width) in enumerate(zip(sizes, widths, strict=True))
        ]
        self.join = layers.Dense(d_model, name=f"{self.name}_join")

    def build(self, input_shape):
        for table in self.tables:
            table.build((None, None))
        self.join.build((None, None, sum(self.widths)))

    def call(self, words):
        # BEGIN SOLUTION
        vectors = [
            table(words[..., i]) * width**0.5
            for i, (table, width) in enumerate(zip(self.tables, self.widths, strict=True))
        ]
        return self.join(ops.concatenate(vectors, axis=-1))
        # END SOLUTION

    def of_types(self, types):
        """Look up the vectors of types, int (…): (…, width of the type), scaled as in `call`."""
        # BEGIN SOLUTION
        return self.tables[TYPE](types) * self.widths[TYPE] ** 0.5
        # END SOLUTION


# %% [markdown]
# ## 5.16 Seven heads, the type first
#
# If the seven fields were drawn independently, one could choose a note and another a bar: in
# Pop1K7, 61 % of the rows are notes and 39 % metrical. So the type comes first, and the other six
# know it: its vector is joined to the hidden vector. In training this is the true next type; in
# generation, the one just drawn.
#
# ![The hidden vector h leads to the type's head, and to a join. The type that comes out, as a
# vector, enters the join too; from the join, arrows lead to the six other
# heads.](pictures/5_16_heads.png)
#
# **By hand.** One number each: h = 3, the type's vector is 2, the join's kernel (1, 10), each
# field's kernel 1, no biases. Then g = 3·1 + 2·10 = 23, and the logits are type 3, pitch 23.
#
# > **Predict.** The six are still drawn independently. Name a mistake that this allows.
#
# **A different result?** type 23: the type's head sees the type, so it is told the answer; in
# training its loss goes to 0, and in generation it knows nothing. pitch 32: you joined the type's
# vector first.
#
# **Read.** Hsiao et al., [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 4.1.


# %%
class CompoundHeads(layers.Layer):
    """Score what the next row may be: its type, and given the type the other six fields.

    type logits = type(h); g = join([h; vector of the type]); logits of each other field =
    field_i(g).

    Call
    ----
    hidden : (batch, length, d_model)
    type_vectors : (batch, length, width)
        Of the row that comes next.

    Returns
    -------
    list of 7 float32 (batch, length, size), in the order of the fields

    Weights
    -------
    `field_0` … `field_6`, `field_3` being the type's: kernel (d_model, size), bias; `join`: kernel
    (d_model + width, d_model), bias.

    Source: Hsiao et al. (2021), section 4.1, equations 5 and 6.
    """

    def __init__(self, sizes: Sequence[int], type_width: int, d_model: int, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.type_width = d_model, type_width
        self.fields = [
            layers.Dense(size, dtype="float32", name=f"{self.name}_field_{i}")
            for i, size in enumerate(sizes)
        ]
        self.join = layers.Dense(d_model, name=f"{self.name}_join")

    def build(self, input_shape, *others):
        for field in self.fields:
            field.build((None, None, self.d_model))
        self.join.build((None, None, self.d_model + self.type_width))

    def call(self, hidden, type_vectors):
        # BEGIN SOLUTION
        joined = self.join(ops.concatenate([hidden, type_vectors], axis=-1))
        return [
            self.of_type(hidden) if i == TYPE else field(joined)
            for i, field in enumerate(self.fields)
        ]
        # END SOLUTION

    def of_type(self, hidden):
        """Score the type alone: float32 (…, 3)."""
        # BEGIN SOLUTION
        return self.fields[TYPE](hidden)
        # END SOLUTION


# %% [markdown]
# ## 5.17 The compound-word Transformer
#
# All parts are there: embed, add positions, twelve linear layers, a last norm, heads. Positions are
# absolute here: linear attention has no score to which a distance could be added. A step has one
# position, and it is not 0: the published code adds the wave of position 0 at every step, so it
# generates songs with a model different from the trained one.
#
# ![Six rows: a primer, 0 to 2, then 3 to 5, which are generated. start reads rows 0 and 1; then a
# step reads row 2 at position 2 and draws row 3, and so on.](pictures/5_17_steps.png)
#
# **By hand.** A primer of three rows. `start` reads the first two; three steps read at the
# positions 2, 3, 4. Published size, the authors' vocabulary:
#
# | weights | number |
# |---|---|
# | tables, join | 93,024 + 639,488 |
# | 12 layers of 3,152,384 | 37,828,608 |
# | last norm | 1,024 |
# | the type's head, join | 1,539 + 279,040 |
# | six heads | 173,907 |
# | together | 39,016,630 |
#
# > **Predict.** What would you hear if every step were at position 0?
#
# **A different result?** 2, 2, 2: the state's position does not advance. 3, 4, 5: `start` leaves
# the last row to the first step, so that step is at 2. Steps that differ from the whole call
# although all positions are right: look at the last norm; it is in `step` too.
#
# **Read.** Hsiao et al., [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 4.


# %%
class CompoundTransformer(keras.Model):
    """Score, after each row of seven fields, which row may come next; with linear attention.

    words → `CompoundEmbedding` + `sinusoids` of their positions, from 0 → dropout → `num_layers` ×
    `LinearLayer` → norm → `CompoundHeads`.

    Parameters
    ----------
    sizes : sequence of 7 int
        The fields' vocabularies.
    widths : sequence of 7 int
        Of their vectors.
    d_model, num_heads, ff_dim, num_layers : int
    dropout : float

    Call
    ----
    words : int (batch, length, 7)
    types : int (batch, length)
        The type of the row after each: in training the target's.
    training : bool or None

    Returns
    -------
    list of 7 float32 (batch, length, size)

    Source: Hsiao et al. (2021), section 4; the weights are as many as in their code.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        widths: Sequence[int],
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sizes, self.d_model = tuple(sizes), d_model
        self.embedding = CompoundEmbedding(sizes, widths, d_model, name="embedding")
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            LinearLayer(d_model, num_heads, ff_dim, dropout, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.heads = CompoundHeads(sizes, widths[TYPE], d_model, name="heads")

    def build(self, input_shape, *others):
        self.embedding.build((None, None, len(self.sizes)))
        for block in (*self.blocks, self.norm, self.heads):
            block.build((None, None, self.d_model))

    def call(self, words, types, training=None):
        # BEGIN SOLUTION
        hidden, _ = self.read(words, training=training)
        return self.heads(hidden, self.embedding.of_types(types))
        # END SOLUTION

    def read(self, words, training=None):
        """Read rows from position 0.

        Returns
        -------
        hidden (batch, length, d_model), after the last norm; and what the layers keep of the rows:
        a list of the sums and the normaliser of each layer in turn.
        """
        # BEGIN SOLUTION
        waves = sinusoids(np.arange(words.shape[1]), self.d_model)
        hidden = self.embedding(words)
        hidden = self.dropout(hidden + ops.cast(waves, hidden.dtype), training=training)
        kept = []
        for block in self.blocks:
            hidden, *own = block.read(hidden, training=training)
            kept += own
        return self.norm(hidden), kept
        # END SOLUTION

    def start(self, primers, slots: int) -> tuple[list, list]:
        """Read primers except for their last row.

        primers: int (batch, primer length, 7), at least one row each. Returns a cache, which is an
        empty list, and a state: the next position, an int32 scalar, and what `read` keeps: zeros if
        the primer has one row. `slots` is not used here.
        """
        # BEGIN SOLUTION
        _, kept = self.read(primers if primers.shape[1] == 1 else primers[:, :-1])
        if primers.shape[1] == 1:
            kept = [ops.zeros_like(part) for part in kept]
        return [], [ops.convert_to_tensor(primers.shape[1] - 1, "int32"), *kept]
        # END SOLUTION

    def step(self, words, cache, state) -> tuple:
        """Read one row each, (batch, 7): what the last norm gives, (batch, d_model), and state."""
        # BEGIN SOLUTION
        position, *kept = state
        hidden = self.embedding(words[:, None])
        hidden = hidden + ops.cast(sinusoids(position[None], self.d_model), hidden.dtype)
        written = []
        for i, block in enumerate(self.blocks):
            hidden, *own = block.step(hidden, *kept[2 * i : 2 * i + 2])
            written += own
        return self.norm(hidden)[:, 0], [position + 1, *written]
        # END SOLUTION

    def move(self, cache, state) -> tuple[list, list]:
        """Do nothing: the state does not grow."""
        return cache, state

    def draw(self, hidden, noise, temperatures: Sequence[float], top_ps: Sequence[float]):
        """Draw the next row of each row of the batch: the type, then the others given the type.

        Each field's logits go through `filter_logits` with its own temperature and top-p; then
        argmax of logits + noise.

        hidden: (batch, d_model); noise: (batch, sum of sizes), Gumbel distributed, the fields'
        parts side by side in their order. Returns int32 (batch, 7).
        """
        # BEGIN SOLUTION
        parts = ops.split(noise, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)

        def drawn(field, logits):
            logits = filter_logits(logits, temperatures[field], top_ps[field])
            return ops.cast(ops.argmax(logits + parts[field], axis=-1), "int32")

        types = drawn(TYPE, self.heads.of_type(hidden))
        logits = self.heads(hidden, self.embedding.of_types(types))
        row = [types if i == TYPE else drawn(i, one) for i, one in enumerate(logits)]
        return ops.stack(row, axis=-1)
        # END SOLUTION


# %% [markdown]
# ## 5.18 The loss of a row
#
# Seven predictions a row, seven losses. Training minimises their mean: an easy field (a note's
# tempo is always 0) counts as much as a hard one. Rows of padding do not count.
#
# $$
# \begin{aligned}
# L &= \frac{1}{7} \textstyle\sum_i \frac{1}{N} \textstyle\sum_n \text{nats}(c_{n,i}) && (1)
# \end{aligned}
# $$
#
# $N$ is the number of rows without padding; a nat is the unit of a loss that uses the natural
# logarithm.
#
# **By hand.** Two rows, one of them padding; in the other every field has two equally likely
# values: each loss is ln 2 = 0.693, and so is the mean.
#
# > **Predict.** Is 0.2 here better than 0.5 nats a word of REMI?
#
# **A different result?** 0.347: padding was counted. 4.852: the sum of seven.


# %%
def compound_loss(targets, logits):
    """Average the seven fields' masked cross-entropies.

    Parameters
    ----------
    targets : int (batch, length, 7)
        Rows of `PAD` do not count.
    logits : list of 7 float (batch, length, size)

    Returns
    -------
    float32 scalar, nats
        The mean over fields of the mean over rows; 0 if all is `PAD`.

    Source: Hsiao et al. (2021), section 4.1; their code's `compute_loss`.
    """
    # BEGIN SOLUTION
    losses = []
    for field, one in enumerate(logits):
        nats, count = masked_cross_entropy(targets[..., field], one)
        losses.append(nats / ops.maximum(count, 1.0))
    return ops.mean(ops.stack(losses))
    # END SOLUTION


# %% [markdown]
# ## 5.19 Nats a note
#
# A loss of 0.2 a field and one of 0.5 a word cannot be compared: of a row's seven fields three are
# unused on average, which is easy to predict; a note has three words. But you can compare the cost
# of the whole piece, divided by its notes: both spellings have the same notes. Unused fields (0)
# are left out: nobody needs them to play the row.
#
# ![Three rows of seven fields. Coloured fields count: two of the bar, four of the position, where
# tempo and chord are CONTI, four of the note. Grey fields hold 0 and cost
# nothing.](pictures/5_19_cost.png)
#
# **By hand.** A bar, a position and a note; every field costs ln 2 = 0.693. The bar has a type and
# a bar-beat; the position a type, a tempo, a chord, a bar-beat; the note a type and three more:
# 2 + 4 + 4 = 10 fields, 6.931 nats for one note.
#
# > **Predict.** CONTI, "the tempo stays", costs nats too. Does REMI pay for that?
#
# **A different result?** 14.556: zeros were counted. 4.852: the types are missing.
#
# **Read.** [Dive into Deep
# Learning](https://d2l.ai/chapter_recurrent-neural-networks/language-model.html) on perplexity, the
# same loss a word; it has the same limit: it compares models only over the same words.


# %%
def nats_and_notes(targets, logits):
    """Sum the nats of compound words over the fields that are used; and count the notes.

    A row uses its type, and those other fields that are not 0. Nats divided by notes can be
    compared between spellings.

    targets and logits as in `compound_loss`. Returns two float32 scalars: nats, and how many rows
    are of type Note.
    """
    # BEGIN SOLUTION
    nats = 0.0
    for field, one in enumerate(logits):
        found = targets[..., field]
        if field != TYPE:
            found = ops.where(ops.equal(found, 0), PAD, found)
        nats = nats + masked_cross_entropy(found, one)[0]
    return nats, ops.sum(ops.cast(ops.equal(targets[..., TYPE], NOTE), "float32"))
    # END SOLUTION


# %% [markdown]
# ## 5.20 Songs that end
#
# The published code of Transformer-XL generates 7,680 words and stops; it never checks whether the
# model generated an end, so the table cannot say that it did. Yours checks. Both models have the
# same methods here: `start`, `step`, `draw`, and `move` when the slots are full. So one function
# generates with either, a batch of songs at once, each until its own end. Randomness comes from
# outside: `noise` is drawn beforehand, and `draw` takes the largest of logits plus noise. For noise
# with a Gumbel distribution that is the same as sampling from the softmax, and the same noise gives
# the same songs.
#
# ![Three songs, twelve steps, slots of four. Each song is filled up to its END, at step 6, 1 and 9;
# after it stand zeros, grey. A thick line marks each move, after four
# steps.](pictures/5_20_slots.png)
#
# **By hand.** Three steps, two rows, two slots; row 0 draws 5, END, 7; row 1 draws 6, 8, 9. The
# result is (5, 0, 0) and (6, 8, 9). The third step is the first of the second loop.
#
# > **Predict.** Ten songs in one batch: how many steps does the batch take?
#
# **A different result?** (5, 0, 7): the row went on after its end. (6, 8, 6): the second loop began
# with the first step's noise.
#
# **Read.** [keras.ops.while_loop](https://keras.io/api/ops/core/), and [the Gumbel-max
# trick](https://en.wikipedia.org/wiki/Gumbel_distribution), under related distributions.


# %%
def generate(
    model,
    primers,
    noise,
    temperatures: Sequence[float],
    top_ps: Sequence[float],
    slots: int = 64,
):
    """Generate a batch of pieces from their primers, each until it ends.

    `model.start` reads the primers except for their last word. Then at each step `model.step` reads
    the last word, and `model.draw` gets the noise of this step and gives the next word. A row is
    done when it has drawn the end: id 0, or a row of type 0. From its end on it is zeros. After
    every `slots` steps call `model.move`.

    Parameters
    ----------
    model : TransformerXL or CompoundTransformer
    primers : int (batch, primer length), or (batch, primer length, 7)
        `START_ID` first (in all fields): without a primer there is nothing else.
    noise : float (batch, steps, vocab_size), or of all fields together; Gumbel distributed
        noise[:, t] decides the t-th word.
    temperatures, top_ps : sequence of float
        One for each field: one, or seven.
    slots : int

    Returns
    -------
    int32 tensor (batch, steps), or (batch, steps, 7)
        What was generated after the primer, the end included.

    Notes
    -----
    Written with `keras.ops` alone, so that it compiles as a whole: the steps that fill the slots
    are one `ops.while_loop`, which stops early when all rows are done.
    """
    # BEGIN SOLUTION
    noise, primers = ops.convert_to_tensor(noise, "float32"), ops.cast(primers, "int32")
    steps, fields = noise.shape[1], tuple(primers.shape[2:])
    cache, state = model.start(primers, slots)
    word = primers[:, -1]
    done = ops.zeros_like(primers[:, 0] if not fields else primers[:, 0, 0], dtype="bool")
    pieces = []
    for begin in range(0, steps, slots):
        size = min(slots, steps - begin)

        def going_on(step, written, word, done, *state, size=size):
            return ops.logical_and(step < size, ops.logical_not(ops.all(done)))

        def write(step, written, word, done, *state, cache=cache, begin=begin):
            hidden, state = model.step(word, cache, state)
            luck = ops.take(noise, begin + step, axis=1)
            word = model.draw(hidden, luck, temperatures, top_ps)
            done = ops.logical_or(done, ops.equal(word[:, TYPE] if fields else word, END_ID))
            word = ops.where(done[:, None] if fields else done, END_ID, word)
            here = ops.equal(ops.arange(written.shape[1]), step)
            here = ops.reshape(here, (1, -1, *[1 for _ in fields]))
            written = ops.where(here, word[:, None], written)
            return step + 1, written, word, done, *state

        written = ops.repeat(ops.zeros_like(primers[:, :1]), size, axis=1)
        start = ops.convert_to_tensor(0, "int32")
        _, written, word, done, *state = ops.while_loop(
            going_on, write, (start, written, word, done, *state)
        )
        cache, state = model.move(cache, state)
        pieces.append(written)
    return ops.concatenate(pieces, axis=1)
    # END SOLUTION
