"""Tasks 4.1 to 4.6: the pedal, events and back, other keys and tempi, crops, windows."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_equal,
    assert_frequencies,
    assert_holds,
    assert_parts,
    check,
    int32,
)
from grading.lab4.hidden.oracles import crop_counts, crops_of, random_ids, random_performance
from grading.lab4.performances import (
    END,
    NO_PEDALS,
    NOTE_ON,
    PAD,
    START,
    TIME_SHIFT,
    VELOCITY,
    assert_notes,
    corpus,
    notes,
    pedals,
    some_batches,
    two_arrays,
    unchanged,
)

# Task 4.1: the pedal


@check("4.1", says="the notes that note-seq gives, for any performance", weight=3, hidden=True)
def test_pedal_random(student, reader, rng):
    for instruments in (1, 2, 3):
        given = random_performance(rng, 60, instruments)
        got = unchanged(student.build("sustained", *given), "notes")
        assert_notes(got, reader.build("sustained_by_note_seq", *given))


@check("4.1", says="of a pitch struck twice at the same time, one is left out", hidden=True)
def test_pedal_struck_twice(student, reader, rng):
    pitch, velocity = int(rng.integers(21, 109)), int(rng.integers(1, 100))
    first, end = float(rng.integers(1, 5)), float(rng.integers(6, 9))
    played = notes(
        (pitch, velocity, first, end),
        (pitch, velocity + 1, first, end + 1),
        (pitch + 1, velocity, first, end + 2),
        (pitch, velocity, end + 4, end + 5),
    )
    for moves in (NO_PEDALS, pedals((first / 2, 100), (end + 10, 0))):
        got = unchanged(student.build("sustained", played, moves), "notes")
        assert_notes(got, reader.build("sustained_by_note_seq", played, moves))


# Task 4.2: from a performance to events


@check("4.2", says="the ids of note-seq's encoding, for any performance", weight=3, hidden=True)
def test_encode_random(student, reader, rng):
    for instruments in (1, 1, 2, 3):
        given = random_performance(rng, 60, instruments)
        got = int32(unchanged(student.build("encoded", *given), "ids"), (None,))
        assert_equal(got, reader.build("encoded_by_note_seq", *given))


@check("4.2", says="in a long performance no rounding adds up", hidden=True)
def test_encode_drift(student, reader, rng):
    starts = 3e-5 + np.cumsum(rng.choice([0.004, 0.0061, 0.0137, 0.0266, 1.7], 300))  # no halves
    rows = [(int(rng.integers(21, 109)), 64, start, start + 0.013) for start in starts.tolist()]
    got = unchanged(student.build("encoded", notes(*rows), NO_PEDALS), "ids")
    assert_equal(got, reader.build("encoded_by_note_seq", notes(*rows), NO_PEDALS))


# Task 4.3: from events to a performance


@check("4.3", says="the notes of any ids, in the order of their ends", weight=2, hidden=True)
def test_decode_random(student, solution, rng):
    for size in (30, 30, 30, 100, 200):
        ids = random_ids(rng, size)
        ids[:2] = NOTE_ON + 60, TIME_SHIFT + 9  # before any VELOCITY
        # put between, as in the place of a TIME_SHIFT they would make two notes start at one step
        ids = np.insert(ids, rng.integers(2, size, 4), rng.choice([PAD, START], 4))
        end, pitch = len(ids) - int(rng.integers(1, 8)), NOTE_ON + int(rng.integers(128))
        # what still sounds at the end goes by velocity where start and pitch are the same
        ids[end - 4 : end + 1] = VELOCITY + 20, pitch, VELOCITY + 3, pitch, END
        got, total = assert_parts(student.build("decoded", ids), "notes", "total time")
        want, wanted = solution.build("decoded", ids)
        assert_notes(got, want, ordered=True)
        near = type(total) is float and abs(total - wanted) < 1e-9
        assert_holds(near, "total_time is not the last end")


@check("4.3", says="a performance on the grid comes back as it was encoded", hidden=True)
def test_decode_round_trip(student, solution, rng):
    rows = []
    for pitch in rng.choice(128, 12, replace=False).tolist():
        for start in range(int(rng.integers(0, 300)), 2000, 400):  # no pitch sounds twice
            velocity, end = 4 * int(rng.integers(0, 32)) + 1, start + int(rng.integers(1, 390))
            rows.append((pitch, velocity, start / 100, end / 100))
    ids = solution.build("encoded", notes(*rows), NO_PEDALS)[0]
    got, _ = assert_parts(student.build("decoded", ids), "notes", "total time")
    assert_notes(got, notes(*rows))


# Task 4.4: other keys, other tempi


@check("4.4", says="any key and tempo: pitches, steps, spelling", weight=2, hidden=True)
def test_augment_random(student, solution, rng):
    for stretch in (0.95, 1.025, float(rng.choice([0.0625, 0.5, 1.5, 2.25]))):
        # all on the piano, also when they are moved
        ids, semitones = random_ids(rng, 200, highest=93), int(rng.integers(-12, 13))
        got = student.augment(ids, semitones, stretch)
        assert_equal(int32(got, (None,)), solution.augment(ids, semitones, stretch))


@check("4.4", says="pitches near the piano's ends, inside and outside", hidden=True)
def test_augment_ends(student, solution, rng):
    pitches = np.r_[0:40, 90:128]
    ids = rng.permutation(np.r_[3 + pitches, 131 + pitches]).astype("i4")
    for semitones in (-12, 12, int(rng.integers(-11, 12))):
        got = student.augment(ids, semitones, 1.0)
        assert_equal(got, solution.augment(ids, semitones, 1.0))


# Task 4.5: crops to learn from


@check("4.5", says="every crop of every piece, and no other, equally often", weight=2, hidden=True)
def test_batches_random(student, rng):
    for sizes in ((1, 9, 4), tuple(int(n) for n in rng.integers(0, 12, 4))):
        tokens, offsets = corpus(*sizes)
        length = int(rng.integers(2, 7))
        crops = crops_of(tokens, offsets, length)
        batches = some_batches(student, tokens, offsets, length, 40, int(rng.integers(99)), 80)
        _, shares = np.unique([crops.index(crop) for crop in crops], return_counts=True)
        assert_frequencies(crop_counts(batches, crops), shares / len(crops))


@check("4.5", says="only what a crop needs is read", hidden=True)
def test_batches_long(student, rng):
    size, length = 10**10, int(rng.integers(3, 9))
    answer = student.build("batch_of_a_long_piece", size, length, int(rng.integers(99)))
    for one in two_arrays(answer, (4, length)):
        assert_holds((one == 5).all(), "not the tokens of the piece")


# Task 4.6: windows to measure on


@check("4.6", says="inputs and targets, for any length and context", weight=2, hidden=True)
def test_evaluation_random(student, solution, rng):
    for _ in range(4):
        length = int(rng.integers(2, 9))
        tokens, offsets = corpus(*(int(n) for n in rng.integers(0, 30, 6)))
        given = tokens, offsets, length, int(rng.integers(0, length))
        got = two_arrays(student.evaluation_windows(*given), (None, length))
        for one, want in zip(got, solution.evaluation_windows(*given), strict=True):
            assert_equal(one, want)


@check("4.6", says="each token is scored once, with the context before it", hidden=True)
def test_evaluation_scored(student, rng):
    for length in (4, 5, 6, 7, 8):
        tokens, offsets = corpus(*(int(n) for n in rng.integers(5, 40, 5)))
        context = int(rng.integers(1, length))
        answer = student.evaluation_windows(tokens, offsets, length, context)
        inputs, targets = two_arrays(answer, (None, length))
        scored = assert_array(targets[targets != PAD])
        assert_equal(np.sort(scored), np.sort(np.r_[tokens, [END] * 5]))
        firsts = (targets != PAD).argmax(axis=1)
        wanted = np.where(inputs[:, 0] == START, 0, context)
        assert_equal(firsts, wanted)
