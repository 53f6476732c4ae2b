# %% [markdown]
# # Lab 4: a Music Transformer
#
# A pianist's performance is a stream of events: a key goes down, time passes, the key comes up. You
# turn recordings into such streams, build a Transformer that attends by how far apart two events
# are, not by where they are (Huang et al., "Music Transformer", 2018), train it, and let it
# continue a beginning of your choice. `make lab4` trains for some three minutes and ends with a
# page where eight pieces can be heard: four that continue real music, four from nothing.
#
# ![A performance becomes events as ids in 4.1 and 4.2, crops in 4.4 to 4.6, and goes into the Music
# Transformer, 4.7 to 4.14. Training is 4.12 and 4.15 to 4.18. The model's logits are filtered in
# 4.19, 4.20 draws the next event from them, a cache (4.9) feeds each event back, and 4.3 turns
# events into music.](pictures/0_frame.png)
#
# | tasks | you build | hours |
# |---|---|---|
# | 4.1–4.3 | events from a performance, and music from events | 3 |
# | 4.4–4.6 | other keys and tempi, crops to learn from, windows to measure on | 2 |
# | 4.7–4.10 | relative attention: by the definition, with little memory, with a cache | 5 |
# | 4.11–4.14 | the norm, half precision, the block, the model | 3 |
# | 4.15–4.18 | learning rate, loss, accuracy, nats a note | 2 |
# | 4.19–4.20 | filtering and drawing | 3 |
#
# **You should know** Python, NumPy, and attention: queries, keys, values, softmax. Lab 1's 1.7 and
# 1.8 build it; [Dive into Deep Learning, chapter
# 11](https://d2l.ai/chapter_attention-mechanisms-and-transformers/index.html), explains it. Of MIDI
# you need this: a note has a pitch (60 is middle C, 21 to 108 are a piano's keys), a velocity (how
# hard it is struck, 1 to 127), a start and an end.
#
# **Data.** Without a download: scores of Bach and others, played by rule (`keyboard`).
# `make data NAME=maestro` fetches MAESTRO, 1,276 recorded performances; `PRESET=laptop` trains on
# it without a GPU. A *token* is one event's id, a *logit* its score before the softmax, a *nat* the
# unit of a loss with natural logarithms. In shapes B is the batch, T the length (of the queries), S
# the number of keys, V that of ids: 391.
#
# What the solution gets:
#
# | | data | training | nats a token | accuracy |
# |---|---|---|---|---|
# | `make lab4` | pieces by rule, test | 2 CPU-minutes | 2.03 | 0.372 |
# | `make lab4 PRESET=laptop` | MAESTRO, validation | an hour | 2.51 | 0.326 |
# | | MAESTRO, test | | 2.44 | 0.338 |
#
# **Three questions to answer in writing**, 120 words each; they are not part of the 100 points.
#
# 1. Why is the loss reported in nats a note, too, and what do two encodings with equal nats a note
#    still not share?
# 2. May generated pieces be longer than the crops of the training? And the window of attention?
# 3. Transposing and stretching assume something about music. What? When is it false?
#
# **Further reading.** [Music Transformer](https://magenta.tensorflow.org/music-transformer), with
# pieces to hear; [MAESTRO](https://arxiv.org/abs/1810.12247), the data set's paper; [The Annotated
# Transformer](https://nlp.seas.harvard.edu/annotated-transformer/), the architecture line by line.

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
# A piano's right pedal, the sustain pedal, holds every note that is released while it is down. You
# hear when a note stops sounding, not when the finger leaves the key. In 20 of MAESTRO's validation
# performances the pedal prolongs 65 % of the notes: fingers hold a note for 0.28 seconds on
# average, and it sounds for 0.64. So the first step writes the pedal's effect into the notes' ends;
# after that the pedal is not needed.
#
# ![Four notes on a time line, and the pedal below them, down from 0.4 to 2 seconds. C4 is released
# at 0.5 and sounds on until C4 is struck again at 1.5. E4 is released at 1 and sounds until the
# pedal comes up at 2; so does the second C4. G4 is held beyond that and keeps its end,
# 2.5.](pictures/4_1_pedal.png)
#
# MIDI sends the pedal as a *control change*: controller 64, a value from 0 to 127, and a time. A
# verdict shows a sequence as rows of numbers: a note as pitch, velocity, start, end, instrument,
# program and whether it is a drum; a pedal's move as time, controller, value and instrument.
#
# **By hand.** The pedal goes down at 0.4 seconds (its value is 64) and comes up at 2.
#
# | note | start | released | what ends it | end |
# |---|---|---|---|---|
# | C4 | 0 | 0.5 | C4 is struck again | 1.5 |
# | E4 | 0.6 | 1 | the pedal comes up | 2 |
# | C4 | 1.5 | 1.7 | the pedal comes up | 2 |
# | G4 | 1.8 | 2.5 | its release: the pedal is up by then | 2.5 |
#
# The ends are 1.5, 2, 2, 2.5.
#
# > **Predict.** The pedal never comes up. Where do the four notes end?
#
# **A different result?** 0.5, 1, 1.7, 2.5: a value of 64 is already down. 2, 2, 2, 2.5: the new C4
# did not end the old one.
#
# **Read.** [Sustain pedal](https://en.wikipedia.org/wiki/Sustain_pedal) on Wikipedia: what it does
# inside the piano.


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
# A Transformer reads a row of symbols. Oore et al. describe a performance as such a row of actions:
# press, release, wait, play louder from now on. Time is cut into steps of 10 ms, finer than you can
# hear, and each start and end of a note is rounded separately. Rounding the gaps between events
# instead would let errors add up: of 20 validation performances of MAESTRO, one of 18 minutes would
# end 2.3 seconds early. Loudness is a state: it costs an event only when it changes. So MAESTRO
# needs 4.04 ids a note.
#
# ![Three notes on a time line from 0 to 260 steps, and below it twelve boxes, one an event, tied to
# their moments: at step 0 loudness 19 and the keys 60 and 64 go down; a wait of 50; 60 comes up,
# loudness 22, 67 goes down; a wait of 75; 64 comes up; waits of 100 and 35; 67 comes
# up.](pictures/4_2_events.png)
#
# $$
# \begin{aligned}
# \text{step} &= \lfloor 100 t + \tfrac{1}{2} \rfloor && t \text{ in seconds} \\
# \text{key down} &= 3 + \text{pitch} && 3 \text{ to } 130 \\
# \text{key up} &= 131 + \text{pitch} && 131 \text{ to } 258 \\
# \text{wait} &= 259 + \text{steps} - 1 && 259 \text{ to } 358 \\
# \text{loudness} &= 359 + \lfloor (\text{velocity} - 1) / 4 \rfloor && 359 \text{ to } 390
# \end{aligned}
# $$
#
# **By hand.** C4 (pitch 60, velocity 80) from 0 to 0.5 seconds, E4 (64, 77) from 0 to 1.254, G4
# (67, 90) from 0.5 to 2.6.
#
# | step | what happens | ids |
# |---|---|---|
# | 0 | velocities 80 and 77 share bin 19; C4, E4 down | 378, 63, 67 |
# | 50 | 50 steps pass; C4 up; bin 22; G4 down | 308, 191, 381, 70 |
# | 125 | 75 steps pass; E4 up | 333, 195 |
# | 260 | 135 steps pass: 100 and 35; G4 up | 358, 293, 198 |
#
# In all: 378, 63, 67, 308, 191, 381, 70, 333, 195, 358, 293, 198.
#
# > **Predict.** How many ids does a note cost at least, and at most if no wait is longer than a
# > second?
#
# **A different result?** 309 for 308: a wait of $n$ steps is written as $n + 1$. 293, 358: the rest
# stands before the whole 100. 378, 63, 378, 67: the loudness is written though it does not change.
#
# **Read.** Oore et al., [arXiv:1808.03715](https://arxiv.org/abs/1808.03715), section 3;
# [Performance RNN](https://magenta.tensorflow.org/performance-rnn), the same events, with sounds.


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
# A model does not always generate what a pianist could play: it releases keys that are up, or never
# releases a key. After two minutes of training, 32 % of its releases are of keys that are up. Here
# everything that it generates becomes music; only an id that does not exist is an error. Between a
# start and its release, keep each pitch's sounding notes in a queue: a release ends the oldest.
#
# **By hand.**
#
# | id | meaning | step | note that ends |
# |---|---|---|---|
# | 369 | loudness bin 10: velocity 4·10 + 1 = 41 | 0 | |
# | 63 | C4 down | 0 | |
# | 308, 63 | 50 steps pass, C4 down again | 50 | |
# | 308, 191 | 50 steps pass, C4 up | 100 | the first C4 |
# | 278, 191 | 20 steps pass, C4 up | 120 | the second C4 |
# | 203 | C5 up, which does not sound | 120 | none |
#
# The notes (pitch, velocity, start, end) are (60, 41, 0, 1) and (60, 41, 0.5, 1.2).
#
# > **Predict.** Encode these two notes with 4.2. Do the nine ids come back?
#
# **A different result?** (60, 41, 0.5, 1) first: a release ended the newest note of its pitch. (60,
# 42, 0, 1): the velocity was taken from the middle of its bin.
#
# **Read.** [note-seq](https://github.com/magenta/note-seq), the library whose `NoteSequence` you
# fill.


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
# has 962 performances to train on; in seven keys and at five speeds they become many more.
#
# Both work on the ids, so a batch needs no decoding. Be careful with the speed: scale the times of
# the events, not the gaps between them, or rounding errors add up again. Stretched by 0.95 gap by
# gap, one validation performance of 18 minutes ends 12 seconds late.
#
# $$
# \begin{aligned}
# s' &= \lfloor s \cdot \text{stretch} + \tfrac{1}{2} \rfloor && \text{each event's step} \\
# p' &= p + \text{semitones} && \text{if } 21 \le p + \text{semitones} \le 108 \\
# p' &= p + \text{semitones} \pm 12 && \text{otherwise: an octave back inside}
# \end{aligned}
# $$
#
# A pitch that was off the piano before stays as it is.
#
# **By hand.** The key 107 (B7) is released at the steps 5, 10 and 15. Two semitones up, 1.1 as
# long:
#
# | step | times 1.1 | new step | wait before it |
# |---|---|---|---|
# | 5 | 5.5 | 6 | 6 |
# | 10 | 11 | 11 | 5 |
# | 15 | 16.5 | 17 | 6 |
#
# The waits are 6, 5, 6. The pitch would be 109, above the highest key: it becomes 97.
#
# > **Predict.** Stretch a piece by 0.5, the result by 2. Do you get the ids back?
#
# **A different result?** Waits of 6, 6, 6: the gaps were stretched, and three events are already
# one step late. Pitch 108: moved to the last key, not back by an octave.
#
# **Read.** Huang et al., [arXiv:1809.04281](https://arxiv.org/abs/1809.04281), section 4.2: the
# same keys and speeds.


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
# A performance has about 19,000 events, the model reads 2,048. So you cut crops at random. If all
# crops had to lie inside the piece, its first and last events would hardly ever be learned: only
# one crop contains the first event. So crops may stick out at both ends, and padding fills what is
# missing. Then every event is in as many crops as any other.
#
# ![How many crops of 12 pairs hold each of a piece's 41 pairs. With crops inside the piece only, it
# rises from 1 at the first pair to 12 in the middle and falls to 1 at the last. With overhanging
# crops it is 12 everywhere.](pictures/4_5_targets.png)
#
# A *pair* is an input and its target, the token that follows. START, $n$ tokens and END make
# $n + 1$ pairs. With crops of $L$ pairs:
#
# $$
# \begin{aligned}
# \text{crops of piece } i &= n_i + L \\
# P(\text{pair in the crop}) &= \frac{L}{\sum_j (n_j + L)} && \text{the same for every pair}
# \end{aligned}
# $$
#
# **By hand.** Two tokens, C4 and E4; $L = 2$. There are 2 + 2 = 4 crops:
#
# | crop | targets |
# |---|---|
# | begins a pair early | C4 |
# | inside | C4, E4 |
# | inside | E4, END |
# | ends a pair late | END |
#
# C4, E4 and END are targets in 2, 2, 2 crops.
#
# > **Predict.** A piece of 2 tokens and one of 300, $L = 100$. What share of the crops comes from
# > the short piece?
#
# **A different result?** 1, 2, 1: all crops are inside. 2, 2, 1: none ends late.
#
# **Read.** [Dive into Deep Learning, language
# models](https://d2l.ai/chapter_recurrent-neural-networks/language-model.html): crops of a text
# from a random offset.


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
# If you want to compare losses, they must not depend on luck: every token of the validation set is
# scored exactly once. At the first tokens of a window the model has little context, which makes it
# look worse than it is: after two minutes of training its loss is 3.49 nats a token at a window's
# first eight places, and 2.75 in the second half. So windows may overlap, and a token is scored in
# the window that has more context before it.
#
# ![Left: four windows of 8 pairs over a piece of 20. The first is dark throughout; in the others
# the first 3 pairs are hatched, as context, and the rest is dark; the dark parts touch and never
# overlap. Right: the loss by place in a window, high at the first places, level
# from about the thirtieth on.](pictures/4_6_windows.png)
#
# With $P$ pairs, windows of $L$, and $c$ pairs of context:
#
# $$
# \begin{aligned}
# \text{windows} &= \left\lceil \frac{\max(P - c, 1)}{L - c} \right\rceil
#   && \text{beginning every } L - c
# \end{aligned}
# $$
#
# **By hand.** 6 tokens make $P = 7$ pairs; $L = 4$, $c = 2$: three windows.
#
# | window | pairs | scored |
# |---|---|---|
# | 1 | 0 to 3 | 0 to 3 |
# | 2 | 2 to 5 | 4, 5 |
# | 3 | 4 to 6 | 6 |
#
# They score 4, 2, 1 targets: 7 in all.
#
# > **Predict.** With $c = L - 1$ each token has all the context there is. What does it cost?
#
# **A different result?** 4, 4, 3: the context is scored again. 4, 1: the windows do not overlap.
#
# **Read.** Hugging Face, [Perplexity of fixed-length
# models](https://huggingface.co/docs/transformers/perplexity): the same windows, animated.


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
# Attention asks of each earlier event: does it matter *what* it is? Music also asks: does it matter
# *how long ago* it was, a beat, a bar? So each distance $d$ has a learned vector $E_d$, and a query
# scores a key by $q \cdot k + q \cdot E_d$. All distances beyond the largest, $D$, share one
# vector.
#
# ![Three queries at the positions 2, 3 and 4, five keys, D = 2. In each row the query's own
# position takes vector 0 of E, the one before it vector 1, all earlier ones vector 2. Later keys
# are grey.](pictures/4_7_distances.png)
#
# $$
# \begin{aligned}
# d_{ts} &= (S - T + t) - s && (T, S) \text{: from key } s \text{ to query } t \\
# R_{ts} &= q_t \cdot E_{\min(d_{ts}, D)} && (B, \text{heads}, T, S) \text{ where } d_{ts} \ge 0
# \end{aligned}
# $$
#
# This first version follows the formula. It makes a tensor of (queries, keys, head_dim), the
# vectors of all pairs: for 2,048 events and heads of 64 that is 1.1 GB in each layer, even before
# the gradient. 4.8 measures how much it is in all.
#
# **By hand.** $T = 2$ queries among $S = 4$ positions, one head of one number: $q = (1, 2)$;
# $D = 2$, $E = (0.1, 0.2, 0.5)$.
#
# | | key 0 | key 1 | key 2 | key 3 |
# |---|---|---|---|---|
# | $q_0$, at 2 | $d = 2$: 0.5 | 0.2 | 0.1 | no meaning |
# | $q_1$, at 3 | $d = 3$ counts as 2: 2·0.5 = 1 | 1 | 0.4 | 0.2 |
#
# The last row is 1, 1, 0.4, 0.2.
#
# > **Predict.** A hundred more events come before these four. Which of the numbers change?
#
# **A different result?** The first row is 0.1 throughout: the queries were taken for the first
# positions. The last row begins with 0: distances beyond $D$ took no vector.
#
# **Read.** Shaw et al., [arXiv:1803.02155](https://arxiv.org/abs/1803.02155), section 3.2; Huang et
# al., [arXiv:1809.04281](https://arxiv.org/abs/1809.04281), section 3.4, equation 3.
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
# 4.7 looks up a vector for every pair, but there are only $S$ distances. One matrix product,
# queries with the $S$ vectors, gives all scores, sorted by distance instead of key. Where does each
# belong? Row $t$ has to move $T - 1 - t$ columns to the left. So no number need be computed: rows
# only have to slide. Memory lays rows end to end. Put a zero before each row, so that rows have
# $S + 1$ numbers, and read them again in lines of $S$: every line slips by one.
#
# ![The skew in four steps: three rows sorted by distance; a zero before each row; all in one line,
# the first three struck out; three lines of three. On and below the diagonal stand the wanted
# scores; above it, grey, what nobody reads.](pictures/4_8_skew.png)
#
# $$
# \begin{aligned}
# R_{tc} &= q_t \cdot E_{S-1-c}
#   && (B, \text{heads}, T, S) \text{: column } c \text{ is distance } S-1-c \\
# \text{skew}(R)_{ts} &= R_{t, s+T-1-t} && (B, \text{heads}, T, S) \text{, for keys } s \le S-T+t
# \end{aligned}
# $$
#
# **By hand.** $T = S = 3$, counting from 1; "21" is query 2's score at distance 1.
#
# | by distance | padded, in one line | first T = 3 dropped, lines of 3 |
# |---|---|---|
# | 12 11 10 | 0 12 11 10 | 10 0 22 |
# | 22 21 20 | 0 22 21 20 | 21 20 0 |
# | 32 31 30 | 0 32 31 30 | 32 31 30 |
#
# Check the second row: query 2 sees key 1 at distance 1 (21), itself at 0 (20). Above the diagonal
# stand zeros and 22, which nobody needs: the causal mask of 4.10 hides them. Why it works (here we
# count from 0):
# the score at row $t$, column $c$ lands at $t(S+1) + (c+1) - T = tS + s$, so $s = c + t - (T - 1)$.
# With $T = 2$ (the last two queries, as with a cache) the same steps give 21 20 0 and 32 31 30.
#
# Nothing of size (T, S, head_dim) is ever made: for L events, it takes O(L · head_dim) besides the
# result instead of O(L² · head_dim). Both were measured: how much the peak memory of a process
# rises, in MB, for the logits of one layer with 8 heads of 64, one piece, on a CPU. The result
# itself is included:
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
#
# > **Predict.** From 2,048 events to 4,096: by what factor do both versions grow?
#
# **A different result?** First row 0 22 21: padded on the right. First row 12 11 10: nothing moved.
#
# **Read.** Huang et al., [arXiv:1809.04281](https://arxiv.org/abs/1809.04281), section 3.4.1;
# [Annotated Music Transformer](https://gudgud96.github.io/2020/04/01/annotated-music-transformer/),
# more drawings.


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
# To generate one more event, the model needs the keys and values of the earlier ones, but not their
# computation. So they are kept, and only one row is computed for each event. [A published Music
# Transformer](https://github.com/gwinndr/MusicTransformer-Pytorch), which computes all rows anew,
# took 217 seconds for 768 events; this lab's model of the same size takes 10.
#
# Where does the new row go? Appending it to an array of 2,000 rows copies 2,000 rows, in each
# layer, at each step: 50 MB an event in the `maestro` preset. So the cache has two parts: an old
# part that is only read, and a short new part that gets the row (by `ops.slice_update`, which in a
# compiled loop makes no copy). When the new part is full,
# it moves into the old part, and positions further back than attention reaches are dropped: a model
# can play for hours.
#
# ![Three stages of a cache. First: five old positions a to e; of the new part's four slots two hold
# f and g, and g, in slot 1, has distance 0 and the old ones 6 to 2. Then all slots are full. Then
# the last window − 1 = 6 positions are the old part, and the slots are free
# again.](pictures/4_9_cache.png)
#
# $$
# \begin{aligned}
# \text{old} &: (B, \text{heads}, n, d_{\text{head}}) && \text{only read} \\
# \text{new} &: (B, \text{heads}, \text{slots}, d_{\text{head}}) && \text{written slot by slot} \\
# \text{distance}_j &= n + \text{slot} - j
#   && (n + \text{slots}) \text{, for position } j \text{ of both}
# \end{aligned}
# $$
#
# **By hand.** Old keys 1, 2, 3, two slots, which get 4 and 5; window 4.
#
# | | result |
# |---|---|
# | distances from slot 0 | 3, 2, 1, 0, −1 |
# | distances from slot 1 | 4, 3, 2, 1, 0: attention will leave out 4 |
# | old part after `move` | 3, 4, 5 |
#
# > **Predict.** Window 2,048, 256 slots. How many keys does a step score at most, and how many of
# > them may get weight?
#
# **A different result?** 4, 3, 2, 1, 0 from slot 0, too: counted from the last slot. 2, 3, 4, 5
# after `move`: the next position itself is one of the window.
#
# **Read.** Hugging Face, [Caching](https://huggingface.co/docs/transformers/cache_explanation).


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
        """Give the distance from `slot` back to each position of the old and the new part.

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
# This layer is the heart of the model. For 2,048 events the scores of 8 heads are 134 MB a piece in
# each layer; half of them belong to later keys and are thrown away. So you take the queries in
# chunks, each chunk with the keys up to its own end: the same result, up to half the work saved.
# And the intermediate results of a chunk need not be kept for the gradient: `keras.remat` drops
# them and computes them again when they are needed. For a step with 2 pieces of 2,048 events, 6
# layers and a d_model of 512 that takes 3.1 GB instead of 4.2, and 17.3 seconds of CPU instead of
# 15.6: a tenth more. Neither chunks nor `remat` change a result, and no check asks for `remat`:
# your `call` may go without it. The number of events T is known when a layer is traced here
# (`x.shape[1]`), so a Python `for` over chunks is fine.
#
# ![Two squares of 16 queries by 16 keys. Left, all at once: 256 scores, those above the diagonal
# hatched grey, in vain. Right, chunks of 4 queries: only the staircase up to each chunk's end is
# made, 160 scores.](pictures/4_10_chunks.png)
#
# $$
# \begin{aligned}
# Q, K, V &= x W_Q + b_Q, x W_K + b_K, x W_V + b_V
#   && (B, T, \text{heads}, d_{\text{head}}) \text{ each} \\
# R_{ts} &= Q_t \cdot E_{\min(t - s, D)} && (B, \text{heads}, T, T) \text{, by the skew} \\
# A &= \text{softmax}\left( \frac{Q K^\top + R}{\sqrt{d_{\text{head}}}} \right)
#   && 0 \text{ unless } 0 \le t - s < \text{window} \\
# y &= (A V) W_O + b_O && (B, T, d_{\text{model}})
# \end{aligned}
# $$
#
# **By hand.** One head of 4; all kernels are the identity, biases 0. $x_0 = (2, 0, 0, 0)$,
# $x_1 = (0, 2, 0, 0)$; $E_0 = 0$, $E_1 = (0, 1.5, 0, 0)$. For query 1:
#
# | | q · k | q · E | sum / √4 | weight |
# |---|---|---|---|---|
# | key 0 | 0 | 3 | 1.5 | 0.378 |
# | key 1 | 4 | 0 | 2 | 0.622 |
#
# Its output is 0.378·$x_0$ + 0.622·$x_1$, that is (0.755, 1.245, 0, 0).
#
# > **Predict.** Length 2,048, chunks of 512, the window as long. What share of all scores is never
# > computed?
#
# **A different result?** (0.538, 1.462, …): no division by √head_dim. (1.462, 0.538, …): only q · k
# was divided.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.2; Chen
# et al., [arXiv:1604.06174](https://arxiv.org/abs/1604.06174), on computing again instead of
# keeping.


# %%
class RelativeAttention(layers.Layer):
    """Causal self-attention with several heads that also weighs how long ago each event was.

    For each head: A = softmax((Q Kᵀ + R) / √head_dim), output = A V, with R[t, s] = Q[t] · E[d], d
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
# ## 4.11 A norm that survives half precision
#
# Each block adds to its input, so numbers grow from block to block; a *norm* brings each position's
# vector back to one size before the next layer reads it. In mixed precision, matrix products run on
# 16 bits and the weights stay in 32. float16 ends at 65,504: the square of 256 is already too much.
# A norm that squares its input in float16 turns a large activation into infinity, and its whole
# output into zeros. The softmax, the loss and the norms are few operations and cost little: compute
# them in float32.
#
# $$
# \begin{aligned}
# r &= \sqrt{\frac{1}{n} \sum_i x_i^2 + 10^{-6}} && (\ldots, 1) \text{, in float32} \\
# y &= \frac{x}{r} \odot \text{scale} && (\ldots, n) \text{, in the layer's compute dtype}
# \end{aligned}
# $$
#
# **By hand.** $x = (3, 4)$, scale $(1, 1)$: the mean square is 12.5, $r = 3.536$,
# $y = (0.849, 1.131)$. And $x = (300, 400)$ in float16: the same again, as float16 rounds it:
# (0.849, 1.132).
#
# > **Predict.** What is $y$ if $x$ is a thousand times as large? If all of $x$ is 0?
#
# **A different result?** (0.6, 0.8): divided by the root of the sum, not of the mean. (−1, 1): the
# mean was taken off, as LayerNorm does. (0, 0) for (300, 400): squared in float16.
#
# **Read.** Zhang and Sennrich, [arXiv:1910.07467](https://arxiv.org/abs/1910.07467), section 4;
# Micikevicius et al., [arXiv:1710.03740](https://arxiv.org/abs/1710.03740), section 3.3.


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
        # BEGIN SOLUTION
        x = ops.cast(x, "float32")
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)
        return ops.cast(x * ops.cast(self.scale, "float32"), self.compute_dtype)
        # END SOLUTION


# %% [markdown]
# ## 4.12 The scale of the loss
#
# Gradients are small: below 6e-5 (2 to the −14) float16 loses digits, below 6e-8 all becomes 0. In
# a model of the quick preset 83 % of the numbers in the gradient at the first block's input are
# below 6e-5. In `maestro` a batch has 16 times as many tokens: each number would be 16 times
# smaller, and 2 % would be 0. So the loss is multiplied by a large number, the *scale*, before the
# gradients are taken, and they are divided by it afterwards. Which number? The largest that works:
# it is doubled from time to time; when a gradient overflows, that step is skipped and the number is
# halved.
#
# ![Sizes of a gradient's numbers as powers of 2. As it is, most of the hill stands in the dotted
# region from −24 to −14, where float16 has fewer digits; its foot reaches the grey region that is
# 0. Times 2 to the 15 the hill stands between the dotted region and
# infinity.](pictures/4_12_float16.png)
#
# $$
# \begin{aligned}
# (s', n') &= (\max(s / 2, 1), 0) && \text{after an overflow} \\
# (s', n') &= (2 s, 0) && \text{after the interval's last good step} \\
# (s', n') &= (s, n + 1) && \text{after any other good step}
# \end{aligned}
# $$
#
# **By hand.** Interval 3; it begins with (8, 0).
#
# | step | scale, good steps |
# |---|---|
# | good | (8, 1) |
# | good | (8, 2) |
# | good, the third | (16, 0) |
# | overflow | (8, 0) |
# | good | (8, 1) |
#
# > **Predict.** Up to a scale of 1,024 all gradients are finite, at 2,048 one overflows; the
# > interval is 2,000. What share of the steps is lost in the long run?
#
# **A different result?** (16, 3) for the third: the count goes on after doubling. (8, 3): doubled
# one step late.
#
# **Read.** Micikevicius et al., [arXiv:1710.03740](https://arxiv.org/abs/1710.03740), section 3.2;
# Keras's [LossScaleOptimizer](https://keras.io/api/optimizers/loss_scale_optimizer/).


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
    # BEGIN SOLUTION
    if not finite:
        return max(scale / 2, 1.0), 0
    if good_steps + 1 >= growth_interval:
        return scale * 2, 0
    return scale, good_steps + 1
    # END SOLUTION


# %% [markdown]
# ## 4.13 A block
#
# Attention mixes positions, but only by weighted means: two keys that matter together cannot make
# something new. So a block has a second part, a small network that works at each position by itself
# and applies *gelu*, a soft version of max(x, 0): x times the share of a normal distribution below
# x. Both parts add to what comes in
# instead of replacing it. That sum, the *residual stream*, leads unbroken from the embedding to the
# logits, and so does the gradient on its way back. Each part reads a normed copy: its input has one
# size however large the stream has grown. *Dropout* sets a random share of a result to 0 in
# training, so that nothing relies on one number.
#
# ![The residual stream as a bold arrow from left to right. Two branches leave it and are added to
# it again: norm_1, attention, dropout; then norm_2, expand, gelu and contract, dropout. The first
# looks at other positions, the second at each position by itself.](pictures/4_13_block.png)
#
# $$
# \begin{aligned}
# u &= x + \text{dropout}(\text{attention}(\text{norm}_1(x))) && (B, T, d_{\text{model}}) \\
# h &= \text{gelu}(\text{norm}_2(u) W_1 + b_1) && (B, T, d_{\text{ff}}) \\
# y &= u + \text{dropout}(h W_2 + b_2) && (B, T, d_{\text{model}})
# \end{aligned}
# $$
#
# **By hand.** One position, $x = (3, 4)$; all kernels are the identity, biases 0. It attends to
# itself alone, so attention returns what it reads.
#
# | | value |
# |---|---|
# | norm_1(x) | (0.849, 1.131) |
# | u = x + that | (3.849, 5.131) |
# | norm_2(u) | (0.849, 1.131) |
# | gelu of that | (0.681, 0.985) |
# | y = u + that | (4.529, 6.117) |
#
# > **Predict.** The output projection of attention and `contract` are all 0. What does the block
# > return, and which gradient does its input get?
#
# **A different result?** (1.529, 2.117): attention's result replaced $x$. (2.378, 3.248): it was
# added to the normed $x$.
#
# **Read.** Xiong et al., [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3: why the
# norm comes first; [Dive into Deep Learning, the
# Transformer](https://d2l.ai/chapter_attention-mechanisms-and-transformers/transformer.html).


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
        """Do for one position what `call` does for all; as `RelativeAttention.step`.

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
# No position is ever added to an event: the model knows time only by distances. So a melody is the
# same melody wherever it is, and a piece may be longer than those in training. Not so the window:
# distances beyond the crops are never trained. The laptop preset (crops of 512 events of MAESTRO)
# continued a primer 16 times with two windows (`make lab4-continue SET="window=1024 samples=16"`),
# each time as much of the primer as the window holds:
#
# | window | notes at once | seconds between onsets |
# |---|---|---|
# | 1,024, twice the crops | 15.0 | 0.029 |
# | 512 | 8.4 | 0.050 |
# | real pieces | 5.3 | 0.119 |
#
# You write three ways through the same layers.
#
# ![Three rows. call: ids (B, T) in, logits (B, T, V) out, for training and evaluation. read: a
# primer in, the keys and values of each block out, once a piece. step: one id and the cache in,
# logits (B, V) and the cache out, once an event. read's result is step's first cache, and step's
# cache goes into the next step.](pictures/4_14_ways.png)
#
# $$
# \begin{aligned}
# x^0 &= \text{dropout}(\sqrt{d_{\text{model}}} \cdot M_{\text{ids}}) && (B, T, d_{\text{model}}) \\
# x^i &= \text{block}_i(x^{i-1}) && (B, T, d_{\text{model}}) \\
# \text{logits} &= \text{norm}(x^n) M^\top && (B, T, V)
# \end{aligned}
# $$
#
# $M$, the embedding, is used twice (*tied* weights): 391 · 128 of the quick preset's 347,392
# weights.
#
# **By hand.** Three ids, d_model 4, no blocks. $M$ has the rows (1, 1, 1, 1), (1, −1, 1, −1), (2,
# 0, 0, 0). After id 2: times √4 it is (4, 0, 0, 0), normed (2, 0, 0, 0); the logits are 2, 2, 4.
#
# > **Predict.** You feed the same id ten times. How do the logits differ from position to position?
#
# **A different result?** 4, 4, 8: the last norm is missing. 0.107, 0.107, 0.787: those are
# probabilities.
#
# **Read.** Huang et al., [arXiv:1809.04281](https://arxiv.org/abs/1809.04281), section 3; Press and
# Wolf, [arXiv:1608.05859](https://arxiv.org/abs/1608.05859), on tied weights.


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
#
# The *learning rate* says how far a step moves the weights. Adam, the optimizer, divides each
# gradient by a running mean of its size, and that mean is worth little while it comes from a few
# batches: large steps now can spoil the weights for good. So the rate rises slowly first. Later it
# falls, so that the model settles. In the quick preset it begins at 0.000015, reaches its peak of
# 0.003 at step 199, and ends, at step 959, at 0.0014.
#
# ![The learning rate over 960 steps: a straight rise to 0.003 at step 199, then a slow fall to
# 0.0014, steep at first and flatter later.](pictures/4_15_rate.png)
#
# $$
# \begin{aligned}
# \text{rate}(n) &= \text{peak} \cdot \min\left( \frac{n + 1}{w}, \sqrt{\frac{w}{n + 1}} \right)
#   && \text{a scalar}
# \end{aligned}
# $$
#
# $n$ counts the steps from 0, $w$ is `warmup`.
#
# **By hand.** Peak 1, warmup 4.
#
# | step | (n + 1) / 4 | √(4 / (n + 1)) | rate |
# |---|---|---|---|
# | 0 | 0.25 | 2 | 0.25 |
# | 3 | 1 | 1 | 1 |
# | 4 | 1.25 | 0.894 | 0.894 |
# | 15 | 4 | 0.5 | 0.5 |
#
# At the steps 0, 3, 4 and 15: 0.25, 1, 0.894, 0.5.
#
# > **Predict.** The `maestro` preset: peak 0.001, warmup 2,000, 20,000 steps. What does this
# > function give for the last one?
#
# **A different result?** 0, 0.75, 1, 0.516: $n$ for $n + 1$; the first step is wasted. 0.25, 1,
# 0.8, 0.25: it falls with the step, not with its root.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 5.3; [Dive
# into Deep Learning, learning rates](https://d2l.ai/chapter_optimization/lr-scheduler.html).


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
        # BEGIN SOLUTION
        step = ops.cast(step, "float32") + 1
        return self.peak * ops.minimum(step / self.warmup, ops.sqrt(self.warmup / step))
        # END SOLUTION

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}


# %% [markdown]
# ## 4.16 The loss
#
# Cross-entropy, as in every lab: minus the logarithm of the probability that the model gave to what
# came, averaged over the tokens that are not padding. The smoothing is new: a pianist could have
# played something else at any moment, and a model that is never rewarded for being quite certain
# keeps other options open. Smoothing raises the loss that is shown, so loss is reported without it.
#
# ![The loss by the probability of the target. Without smoothing it falls all the way to 0 at
# certainty. With smoothing 0.1 it is least at a probability of 0.90 and rises steeply
# beyond.](pictures/4_16_smoothing.png)
#
# $$
# \begin{aligned}
# \log p &= \log \text{softmax}(\text{logits}) && (B, T, V) \text{, in float32} \\
# \ell_{bt} &= -(1 - s) \log p_{bt, y_{bt}} - \frac{s}{V} \sum_v \log p_{btv} && (B, T) \\
# \text{loss} &= \frac{\sum_{bt} m_{bt} \ell_{bt}}{\max(\sum_{bt} m_{bt}, 1)}
#   && \text{a scalar; } m = 0 \text{ at PAD, else } 1
# \end{aligned}
# $$
#
# **By hand.** Four ids with probabilities (0.1, 0.1, 0.7, 0.1); the target is id 2. A second
# position's target is PAD. Without smoothing: −ln 0.7 = 0.357. With $s = 0.1$: 0.9·0.357 +
# 0.1·(3·2.303 + 0.357)/4 = 0.503.
#
# > **Predict.** $s = 0.1$, 391 ids. Which probability of the target gives the least loss, if the
# > others share the rest? Is that loss 0?
#
# **A different result?** 0.178: divided by batch times length. 1.33: PAD is scored, too. 0.538: the
# smoothing came on top, nothing was taken from the target.
#
# **Read.** Szegedy et al., [arXiv:1512.00567](https://arxiv.org/abs/1512.00567), section 7; Müller
# et al., [arXiv:1906.02629](https://arxiv.org/abs/1906.02629), when smoothing helps.


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
#
# The loss has no natural scale; a share is easier to read. How often is the event with the largest
# logit the one that came? In music this stays far below 1, since many events could have come: the
# quick preset guesses a little more than a third. It is no goal in itself: a dull model can guess
# well.
#
# **By hand.** Targets 5, 6, PAD; guesses 5, 4, PAD. One of two tokens is right: 0.5.
#
# **A different result?** 0.333: PAD is counted in the divisor. 1: the right guess at PAD counts as
# right.


# %%
def masked_accuracy(targets, logits):
    """Share of the targets, PAD left out, that have the largest logit.

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
# "Nats a token" depends on the encoding: with a token for each note's loudness, there are many easy
# tokens and the figure is low. Nats a note can be compared between encodings. The keyboard pieces
# have 3.91 tokens a note, MAESTRO 4.04: 2 nats a token are 7.8 and 8.1 nats a note.
#
# $$
# \begin{aligned}
# \text{nats a note} &= \text{nats a token} \cdot \frac{\text{tokens}}{\text{notes}}
#   && \text{scalars}
# \end{aligned}
# $$
#
# **By hand.** The twelve ids of 4.2, then four of PAD: 12 tokens, 3 notes. At 2 nats a token that
# is 8 nats a note.
#
# **A different result?** 4: NOTE_OFF counts as a note, too. 10.667: PAD counts as a token.


# %%
def nats_per_note(nats_per_token: float, targets) -> float:
    """Turn a mean loss a token into one a note: nats × tokens / notes (NOTE_ON in targets).

    PAD counts neither as token nor as note. Without notes: infinity.
    """
    # BEGIN SOLUTION
    targets = np.asarray(targets)
    notes = int(((targets >= NOTE_ON) & (targets < NOTE_OFF)).sum())
    return nats_per_token * int((targets != PAD).sum()) / notes if notes else float("inf")
    # END SOLUTION


# %% [markdown]
# ## 4.19 What may come next
#
# A model gives every one of 391 ids some probability. Draw from all of them, and every now and then
# you get one from the far tail, a wrong note that derails what follows. In the picture, the 377 ids
# beyond the first 14 have 20 % between them. Always take the likeliest, and the music goes round in
# circles. Three settings lie between. *Temperature* divides the logits: below 1 the likely become
# likelier. *Top-k* keeps the $k$ likeliest. *Top-p* keeps the fewest whose probabilities reach $p$:
# few where the model is sure, many where it is not.
#
# ![One distribution of a model after two minutes of training, sorted, as it is and filtered.
# Temperature 0.5 makes the first bars taller; top-k keeps 5 ids; top-p 0.8 keeps
# 14.](pictures/4_19_filter.png)
#
# $$
# \begin{aligned}
# z &= \text{logits} / \text{temperature} && (B, V) \\
# \text{top-k} &: z_v \to -10^9 && \text{if } z_v \text{ is below the } k\text{-th largest} \\
# \text{top-p} &: z_v \to -10^9 && \text{if the likelier ones already sum to } p
# \end{aligned}
# $$
#
# **By hand.** Probabilities 0.5, 0.25, 0.15, 0.1; after the filter and a softmax:
#
# | filter | probabilities |
# |---|---|
# | temperature 0.5 (squares, over their sum 0.345) | 0.725, 0.181, 0.065, 0.029 |
# | top-k 3 | 0.556, 0.278, 0.167, 0 |
# | top-p 0.7 | 0.667, 0.333, 0, 0 |
# | top-k 2, then top-p 0.6 of what is left | 1, 0, 0, 0 |
#
# > **Predict.** Temperature 0.5 and top-p 0.7: how many of the four ids are left?
#
# **A different result?** 0.37, 0.262, 0.203, 0.166: multiplied by the temperature. 1, 0, 0, 0 for
# top-p 0.7: the id that reaches the sum was dropped. 0.667, 0.333, 0, 0 in the last row: top-p came
# before top-k.
#
# **Read.** Holtzman et al., [arXiv:1904.09751](https://arxiv.org/abs/1904.09751), section 3.1; Fan
# et al., [arXiv:1805.04833](https://arxiv.org/abs/1805.04833), section 5.4; [How to generate
# text](https://huggingface.co/blog/how-to-generate).


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
# ## 4.20 Generation
#
# The *primer*, the beginning that you give, is read in one pass; generation needs only what this
# leaves in the cache. Then each event is drawn and fed back. Randomness comes from outside, as
# noise: the argmax of logits plus Gumbel noise is a draw from their softmax, so the same noise
# gives the same piece on every backend. The *grammar* forbids NOTE_OFF for pitches that are not
# sounding: without it, 32 % of a model's releases after two minutes of training are such.
#
# ![Four steps for one row. Bars show the logits of END, 3 and 4, that is 0, 1 and 2, and the noise
# on top of them. At step 0 noise of 1.5 lets 3 win; at step 1 there is none and 4 wins; at step 2
# noise of 3 lets END win; at step 3 the row is done and gets PAD.](pictures/4_20_noise.png)
#
# $$
# \begin{aligned}
# z &= \text{filter}(\text{logits, forbidden ids at } -10^9) && (B, V) \\
# g &= -\log(-\log u) && (B, V) \text{, } u \text{ uniform in } (0, 1) \\
# \text{next} &= \text{argmax}_v (z_v + g_v) && (B) \text{, drawn from softmax}(z)
# \end{aligned}
# $$
#
# **By hand.** Five ids, PAD to 4; the logits are always (9, 9, 0, 1, 2), and PAD and START are
# forbidden. Noise at step 0: 1.5 for id 3; at step 2: 3 for END; else 0.
#
# | step | END | 3 | 4 | next |
# |---|---|---|---|---|
# | 0 | 0 | 1 + 1.5 | 2 | 3 |
# | 1 | 0 | 1 | 2 | 4 |
# | 2 | 0 + 3 | 1 | 2 | 2, END |
# | 3 | | | | 0, PAD: the row is done |
#
# The row is 3, 4, 2, 0.
#
# > **Predict.** The same noise, temperature 0.1: which four ids?
#
# **A different result?** 4, 4, 4, 4: the noise is not added. 3, 4, 2, 4: the row goes on after END.
#
# **Read.** [The Gumbel-max
# trick](https://timvieira.github.io/blog/post/2014/07/31/gumbel-max-trick/), with its proof; Huang
# et al., [arXiv:1809.04281](https://arxiv.org/abs/1809.04281), section 4.2, on continuing primers.


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
    `grammar` also NOTE_OFF for pitches that are not sounding. A pitch sounds while it has more
    NOTE_ON than NOTE_OFF since START; a NOTE_OFF while it is not sounding does not count. Then
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
