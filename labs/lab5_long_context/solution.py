# %% [markdown]
# # Lab 5: long context
#
# A pop song has 5,000 words of REMI, and its second chorus repeats the first, 2,000 words back. A
# model that reads 512 words at a time cannot know. Two answers were published side by side: carry
# memory from one segment to the next (Transformer-XL), or make attention linear, and the music
# shorter by saying a whole note in one step (compound words). You build both, train both on the
# same pieces, and compare what they learned, what they cost, and how their songs sound.
#
# | you build | tasks | hours |
# |---|---|---|
# | words: chords by ear, REMI and back, compound words and back | 5.1 to 5.6 | 5 |
# | Transformer-XL: relative scores, memory, streams of pieces | 5.7 to 5.11 | 5 |
# | the linear Transformer: three ways to one result, seven fields at once | 5.12 to 5.17 | 4 |
# | training and generation: losses that can be compared, songs that end | 5.18 to 5.20 | 2 |
#
# What you should know: attention with relative positions and its cache (Lab 4), masked losses and
# sampling (Labs 1 and 2). Both are given here: `masked_cross_entropy`, `filter_logits`.
#
# The words were checked against the authors' own: on 1,747 of 1,747 songs of Pop1K7, yours will be
# theirs, word for word. A note costs 4.01 words of REMI and 1.64 compound words: the same song is
# 5,042 steps long or 2,071.
#
# Three questions to answer in writing, at most 120 words each. (a) Was the comparison fair? (b)
# What does linear attention give up? (c) Does a longer memory help music?

# %%
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import layers, ops

from toolkit.errors import EtudeError
from toolkit.piece import CHORDS, NO_CHORD, ROOTS, TICKS_PER_BEAT, Piece
from toolkit.remi import (
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


# %% [markdown]
# ## 5.1 Which chord is this?
#
# REMI writes chords, but a recording has none: somebody has to listen. A chord is heard as its
# pitch classes, each by how long it sounds. Six templates say what they should be: 10 for a chord's
# own notes, less for what is foreign. Sevenths are then told apart by what sounds above, and the
# bass has the last word: A, C and E over an F are not A minor.
#
# $$
# \begin{aligned}
# p_k &= \text{ticks that pitch class } k \text{ sounds in the span} && (12) \\
# \text{score}(r, q) &= \textstyle\sum_i p_{(r+i) \bmod 12}\, w_{q,i} && (12, 6)
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
# F major wins, and E, its major seventh, sounds longer than D♯, its minor one: F_M7. At least 10 a
# tick are needed: 4,800.
#
# > **Predict.** Play the A3 an octave lower, below the F. Does the name change?
#
# **Your number is another?** A_m: you counted notes, not ticks, or took the last of the best.
# F_M: sevenths are still missing.
#
# **Read.** Krumhansl, *Cognitive Foundations of Musical Pitch* (1990), chapter 4, for templates;
# the weights are those of [chorder](https://github.com/joshuachang2311/chorder).


# %%
def name_chord(notes: np.ndarray, start: int, end: int) -> tuple[str, int]:
    """Name the chord of a span of time by what sounds in it.

    1. Each pitch class counts the ticks that its notes sound within the span, each note for itself.
    2. A root and a quality of `TEMPLATES` score the sum of the counts times the template's
       numbers, which begin at the root. Only pitch classes that sound may be roots. The best score
       wins; of equal ones the lower root (C is lowest), then the earlier template.
    3. A best score below 10 × (end - start) names nothing: `NO_CHORD`, and the score is -1.
    4. The bass is the lowest pitch that sounds at least an eighth of the span, notes of one pitch
       together. Without one, the name is `NO_CHORD`, and the score stays.
    5. If (quality, semitones from the bass up to the root) is in `OVER_BASS`, the chord is that one
       on the bass:

       | heard | root above the bass | is |
       |---|---|---|
       | M | 3 | m7 |
       | m | 4, 3 | M7, /o7 |
       | o | 4, 3 | 7, o7 |
       | sus2 | 5 | sus4 |
       | sus4 | 7 | sus2 |

    6. If it is then M: M7 if the pitch class 11 above the root counts more than the one 10 above, 7
       if less. If it is then m: m7 if the one 10 above counts anything.

    Parameters
    ----------
    notes : int array (n, 4)
        Rows of start, end, pitch and velocity, all of which sound in the span.
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
    name, bass = [*TEMPLATES][quality], int(held[0]) % 12
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
# One beat is often too short to hear a chord: an arpeggio needs two. Two are too long where the
# harmony moves each beat. So listen to both, and trust the single beats only if each of them is at
# least as clear, beat for beat, as the two together.
#
# **By hand.** Two beats score 21,000 together, 10,500 a beat. Alone they score 14,400 and 9,000:
# the second is less clear than the pair, so both beats get the pair's chord.
#
# > **Predict.** A pair of beats in which nothing sounds: which rule applies, and what is the name?
#
# **Your number is another?** Chords change too often: you compare with 21,000, or want only one of
# the two to be clear.


# %%
def recognise_chords(notes: np.ndarray) -> list[str]:
    """Name the chord of each beat of a piece.

    Beats are taken in pairs: 0 and 1, 2 and 3, …. A pair is heard as one span, its score halved,
    and as two of one beat. If both beats score at least as much as the halved score, each beat has
    its own chord; otherwise both have the pair's. A last beat without a partner has its own chord
    only if it scores *more* than its pair, which reaches one beat beyond the end.

    What sounds in a span: notes that start before its end and end after its start. But a long note
    is forgotten when many have begun since: a note that starts before the span counts only if it
    starts at one of the ten times before the span at which notes start.

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
        earliest = starts[min(max(np.searchsorted(starts, start) - 10, 0), len(starts) - 1)]
        heard = (notes[:, 0] >= earliest) & (notes[:, 0] < end) & (notes[:, 1] > start)
        name, score = name_chord(notes[heard], start, end)
        return name, score / length

    names: list[str] = []
    for beat in range(0, beats, 2):
        pair, pair_score = chord(beat, 2)
        if beat + 1 < beats:
            ones = [chord(beat, 1), chord(beat + 1, 1)]
            clear = all(score >= pair_score for _, score in ones)
        else:
            ones = [chord(beat, 1)]
            clear = ones[0][1] > pair_score
        names += [name if clear else pair for name, _ in ones]
    return names
    # END SOLUTION


# %% [markdown]
# ## 5.3 From a piece to REMI
#
# Lab 4's events count time from one event to the next: a bar line is nowhere. REMI says where
# things stand: a word for each bar, one for each occupied sixteenth of it, then the chord, the
# tempo and the notes there. A note is three words and carries its own length, so nothing has to be
# released. "Bar, first sixteenth" means the same in every bar: repetition becomes visible.
#
# How words are spelled is the `Spelling`'s affair: `spelling.note(60, 81, 470)` rounds and names.
# What comes when is yours. Rounding a start is where published encoders differ: of two grid lines
# as near, 886 starts of Pop1K7 go to another one by "half up" than by "half to even".
#
# **By hand.** A start at tick 180 lies between steps 1 and 2, as near to both (120, 240).
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
# **Your number is another?** `Beat_3`: you rounded half up. A note's words at a wrong step's end:
# you sorted by the rounded start; the order within a step is that of the raw starts, in 1,746 songs.
#
# **Read.** Huang and Yang, *Pop Music Transformer*, [arXiv:2002.00212](https://arxiv.org/abs/2002.00212),
# section 3; Hsiao et al., *Compound Word Transformer*,
# [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 3.


# %%
def encode_remi(piece: Piece, spelling: Spelling) -> list[str]:
    """Spell a piece as words of REMI.

    1. Notes in the order of their starts (in ticks, not rounded), of one start by falling pitch,
       rising if `spelling.lowest_first`; as they come if equal. A start goes to the nearest step of
       120 ticks, a half to the even one. A length is end minus start, not rounded before
       `spelling.note` has it.
    2. Whole bars of 1,920 ticks before the first note's step are left out: all counts from there.
       Empty bars inside stay.
    3. Chords and tempi go to the nearest beat of 480 ticks, a half to the even one; what lies
       before the first bar goes to its first step. Where several come to one step, the first stays
       (`spelling.clamped` "last": the last).
    4. The last bar is the one that holds the last note's step. If `spelling.drops_end`, it is the
       one before the first bar line that is not before the last note's start, *not rounded*: what
       is rounded to that line or starts on it is left out. Chords and tempi beyond are left out.
    5. Each bar is `BAR`, then for each step where something is: its position; the chord; the tempo;
       the notes. The position stands once a step; if `spelling.position_each` before the chord,
       the tempo and each note. At last `BAR` and `END`.

    Parameters
    ----------
    piece : Piece
        In 4/4.
    spelling : Spelling
        `position(step)` and `chord(name)` give one word, `tempo(bpm)` and `note(pitch, velocity,
        ticks)` a list; an empty one where a spelling has no tempi, which is nothing at that step.

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

    def on_beats(events) -> dict[int, object]:
        """Chords or tempi by their steps."""
        found: dict[int, object] = {}
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
# A model that is still learning writes a velocity without a pitch, or a note before any bar. A
# decoder that raises on it plays nothing; one that guesses hides how badly the model writes. Yours
# plays what is sound, and counts the rest: the count is a measure of how much grammar was learned.
#
# **By hand.** `Bar_None Note_Pitch_60 Beat_4 Note_Pitch_60 Note_Velocity_80 Beat_2 Beat_8
# Note_Pitch_64 Note_Velocity_80 Note_Duration_0 EOS_None` is one note, and 4 words broken: the
# pitch before any position; the pitch and the velocity that miss a length; `Beat_2`, which does not
# come after `Beat_4`. E4 starts at 960; its length of 0 is played for 60 ticks.
#
# > **Predict.** Encode what you decoded. Are the words the same?
#
# **Your number is another?** 3: a note that is left unfinished counts all its words. Two notes: a
# position between pitch and length ends the note.
#
# *(Answer: of the authors' own words, in 1,343 of 1,747 songs but for the order within a step: raw
# starts are gone. In the others the last notes stand on the last bar line, and would be dropped.)*


# %%
def decode_remi(words: Sequence[str], spelling: Spelling) -> tuple[Piece, int]:
    """Read words of REMI as a piece, whatever they are, and count those that break the grammar.

    Words are read from left to right, up to the first `END`. `BAR` begins the next bar, without a
    position. A position is valid within a bar, unless it is earlier than the one before it in that
    bar. A chord, a tempo and a note stand at the position before them in their bar; their words
    must follow each other as `spelling.items` says: a note of the authors' is a pitch, a velocity
    and a duration. Words that cannot be read so, also those of an item that is not finished, are
    counted and left out; the word that interrupts an item is then read as if the item were not
    there.

    Parameters
    ----------
    words : sequence of str
    spelling : Spelling
        `spelling.words[word]` is a word's kind and value.

    Returns
    -------
    piece : Piece
        Notes, tempi and chords in the order of the words. Starts are ticks from the first bar's
        beginning. A duration of 0 lasts 60 ticks. A tempo of two words is the sum of their values.
        Without velocities all are 64.
    broken : int
        How many words broke the grammar.

    Raises
    ------
    EtudeError
        If a word up to the first `END` is not in the spelling's vocabulary.
    """
    # BEGIN SOLUTION
    followers = {item[0]: item[1:] for item in spelling.items}
    notes, tempi, chords = [], [], []
    broken, bar, step = 0, -1, None
    read: dict[str, object] = {}
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
                bar, step = bar + 1, None
            elif kind == "position" and bar >= 0 and (step is None or value >= step):
                step = value
            elif kind in followers and step is not None:
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
        np.array(notes, np.int64).reshape(-1, 4), np.array(tempi, float).reshape(-1, 2), tuple(chords)
    )
    return piece, broken + len(read)
    # END SOLUTION


# %% [markdown]
# ## 5.5 Compound words
#
# A note is three predictions in REMI, and the model must read three more words before the next. A
# compound word says it at once: one row of seven fields, of which a row uses some. Its type says
# which: a note has a pitch, a duration and a velocity; a metrical row a bar or a position, with the
# chord and the tempo that begin there. Pop1K7 shrinks from 9.12 million words to 3.74 million rows.
#
# **By hand.** `Bar_None Beat_0 Chord_A_M7 Note_Pitch_60 Note_Velocity_80 Note_Duration_480
# Bar_None EOS_None` are 8 words and 5 rows.
#
# | tempo | chord | bar-beat | type | pitch | duration | velocity |
# |---|---|---|---|---|---|---|
# | 0 | 0 | 1 (Bar) | 1 | 0 | 0 | 0 |
# | 1 (CONTI) | 107 (A_M7) | 2 (Beat_0) | 1 | 0 | 0 | 0 |
# | 0 | 0 | 0 | 2 | 61 | 5 | 21 |
# | 0 | 0 | 1 | 1 | 0 | 0 | 0 |
# | 0 | 0 | 0 | 0 | 0 | 0 | 0 |
#
# > **Predict.** A bar of eight eighths, one note each. How many words, how many rows?
#
# **Your number is another?** 0 for the tempo of the second row: 0 is "this field means nothing
# here", CONTI "it goes on as it was".
#
# **Read.** Hsiao et al., [arXiv:2101.02402](https://arxiv.org/abs/2101.02402), section 3.2, table 3.
#
# *(Answer: 1 + 8·4 = 33 words, 1 + 8·2 = 17 rows.)*


# %%
def remi_to_compound(words: Sequence[str]) -> np.ndarray:
    """Group the authors' words of REMI into compound words.

    `BAR` is a row of type Metrical whose bar-beat is Bar; all else is 0. A position is a row of
    type Metrical whose bar-beat it is; its tempo and chord are those that follow it, or CONTI. A
    note is a row of type Note with its pitch, duration and velocity. `END` is the row of zeros.

    Parameters
    ----------
    words : sequence of str
        As `encode_remi` writes them in the spelling `AUTHORS`. (Where several chords come together
        the authors' compound words have the last: they are made of the spelling `BEFORE_COMPOUND`.)

    Returns
    -------
    int array (rows, 7)
        Ids of the fields' words, in the order of `FIELDS`: `COMPOUND[field][id]`. Names are those
        of REMI; a chord's lacks `Chord_`.

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
                f"The word {word!r} is not one of the compound-word authors' REMI: encode the piece "
                "with the spelling AUTHORS."
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
# What a model draws need not fit together: each field is drawn for itself. A note without a pitch
# cannot be played; a note with a tempo can, the tempo means nothing there.


# %%
def compound_to_remi(rows: np.ndarray) -> tuple[list[str], int]:
    """Spell compound words out as words of REMI, whatever they are; count rows that say nothing.

    A row says what its type says: the end, which is the last word; a bar; a position, with its
    chord and then its tempo, unless they are 0 or CONTI; or a note: pitch, velocity, duration.
    Fields that do not belong to its type, or to a bar, are not looked at. A metrical row whose
    bar-beat is 0, and a note that lacks one of its three fields, are counted and left out.

    Parameters
    ----------
    rows : int array (n, 7)
        As `remi_to_compound` gives them; of those after the first end nothing is read.

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
                    f"The id {id} is outside the vocabulary of the field {field!r}: its ids go from "
                    f"0 to {len(COMPOUND[field]) - 1}."
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
