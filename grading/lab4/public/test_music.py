"""Tasks 4.1 to 4.6: the pedal, events and back, other keys and tempi, crops, windows."""

from collections import Counter

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_each,
    assert_equal,
    assert_frequencies,
    assert_holds,
    assert_parts,
    assert_raises,
    check,
    int32,
    naming,
)
from grading.lab4.performances import (
    END,
    NO_PEDALS,
    PAD,
    START,
    VOCAB_SIZE,
    WINDOWS,
    assert_ids,
    assert_notes,
    corpus,
    ids_of,
    notes,
    pedals,
    playing,
    saying_events,
    some_batches,
    two_arrays,
    unchanged,
)

# Task 4.1: the pedal. What is right is asked of note-seq, in a worker that holds nobody's code.


def assert_pedal(student, reader, *cases):
    for played, moves in cases:
        with playing(played, moves):
            got = unchanged(student.build("sustained", played, moves), "notes")
            assert_notes(got, reader.build("sustained_by_note_seq", played, moves))


@check("4.1", says="without a pedal, notes stay as they are; the argument is not changed")
def test_pedal_none(student):
    played = notes((60, 80, 0, 1), (64, 70, 0.5, 2, 1, 5), (38, 90, 1, 1.1, 9, 0, 1))
    for moves in (NO_PEDALS, pedals((0, 127, 0, 66), (3, 0, 0, 66))):
        with playing(played, moves):
            got = unchanged(student.build("sustained", played, moves), "notes")
            assert_notes(got, played)
    assert_notes(unchanged(student.build("sustained", notes(), NO_PEDALS), "notes"), notes())


@check("4.1", says="a released note keeps sounding until the pedal comes up; 64 is down", weight=3)
def test_pedal_held(student, reader):
    played = notes((60, 80, 0, 1), (62, 80, 0.5, 3), (64, 80, 2, 2.5), (65, 80, 4, 5))
    for value in (64, 127):
        held = pedals((0.2, value), (2.25, 63))
        twice = pedals((0.2, value), (1.2, value), (2.25, 0), (3, 0), (3.5, value), (6, 10))
        assert_pedal(student, reader, (played, held), (played, twice))
    one, moves = played[:1], pedals((0.5, 64), (2, 0))
    with playing(one, moves):
        got = unchanged(student.build("sustained", one, moves), "notes")
        assert_notes(got, notes((60, 80, 0, 2)))


@check("4.1", says="struck again under the pedal, a pitch ends where the new note starts", weight=2)
def test_pedal_again(student, reader):
    moves = pedals((0, 100), (5, 0))
    released = notes((60, 80, 0, 1), (60, 90, 2, 3), (64, 70, 1, 1.5))
    still_down = notes((60, 80, 0, 4), (60, 90, 2, 3), (60, 91, 2.5, 6))
    assert_pedal(student, reader, (released, moves), (still_down, moves))


@check("4.1", says="each instrument has its own pedal; drum notes stay as they are", weight=2)
def test_pedal_instruments(student, reader):
    played = notes(
        (60, 80, 0, 1, 0), (60, 80, 0.5, 1.5, 1), (62, 80, 0, 2, 1), (36, 9, 0, 1, 0, 0, 1)
    )
    first, second = pedals((0.2, 127, 0), (4, 0, 0)), pedals((0.2, 127, 1), (4, 0, 1))
    both = pedals((0.2, 127, 0), (0.2, 127, 1), (3, 0, 1), (4, 0, 0))
    assert_pedal(student, reader, (played, first), (played, second), (played, both))


@check("4.1", says="what the pedal still holds ends with the last event of all")
def test_pedal_left_down(student, reader):
    played = notes((60, 80, 0, 1), (62, 80, 2, 3), (64, 80, 0, 0.5, 1))
    left = pedals((0.5, 100))
    pedal_last = pedals((0.5, 100), (5, 100), (6, 0, 1))
    assert_pedal(student, reader, (played, left), (played, pedal_last))


@check("4.1", says="at the same time: pedals down, pedals up, starts, ends", weight=2)
def test_pedal_order(student, reader):
    played = notes((60, 80, 0, 1), (62, 80, 1, 2), (60, 90, 2, 3), (64, 80, 3, 4))
    down_at_the_end = pedals((1, 100), (3, 0))
    up_at_the_end = pedals((0, 100), (1, 0), (3.5, 0))
    up_and_down = pedals((0, 100), (2, 0), (2, 100), (5, 0))
    cases = (down_at_the_end, up_at_the_end, up_and_down)
    assert_pedal(student, reader, *((played, moves) for moves in cases))


# Task 4.2: from a performance to events


def events(student, played, moves=NO_PEDALS):
    return int32(unchanged(student.build("encoded", played, moves), "ids"), (None,))


def assert_events(student, played, want, moves=NO_PEDALS):
    with playing(played, moves):
        assert_ids(events(student, played, moves), want)


@check("4.2", says="int32 ids, none for no notes; the argument is not changed")
def test_encode_contract(student):
    assert_events(student, notes(), np.zeros(0, "i4"))
    assert_events(student, notes((60, 80, 0, 1)), ids_of("loud19 on60 wait100 off60"))
    both_ends = notes((0, 1, 0, 0.5), (127, 127, 0.5, 1))
    want = ids_of("loud0 on0 wait50 off0 loud31 on127 wait50 off127")
    assert_events(student, both_ends, want)


@check("4.2", says="time between events: as many whole 100s as fit, then the rest", weight=2)
def test_encode_waiting(student):
    played = notes((60, 80, 0.25, 1.25), (62, 80, 4.5, 4.51), (64, 80, 4.51, 8.52))
    want = ids_of(
        "wait25 loud19 on60 wait100 off60 wait100 wait100 wait100 wait25 on62 wait1 off62 on64 "
        "wait100 wait100 wait100 wait100 wait1 off64"
    )
    assert_events(student, played, want)


@check("4.2", says="each time is rounded by itself, a half up; one step at least", weight=3)
def test_encode_rounding(student):
    played = notes((60, 80, 0.125, 0.375), (62, 80, 0.5, 0.501), (64, 80, 0.996, 1.004))
    want = ids_of("wait13 loud19 on60 wait25 off60 wait12 on62 wait1 off62 wait49 on64 wait1 off64")
    assert_events(student, played, want)
    drifting = notes(*((60, 80, 0.014 * i, 0.014 * i + 0.007) for i in range(200)))
    steps = np.int64(100 * drifting[:, 2:4] + 0.5).flatten()
    ids = events(student, drifting)
    waiting = int((ids[(ids >= 259) & (ids < 359)] - 258).sum())
    last = int(max(steps[-1], steps[-2] + 1))
    assert_holds(waiting == last, f"the last event should be at step {last}, it is at {waiting}")


@check("4.2", says="VELOCITY comes before a start if its bin differs from the last", weight=2)
def test_encode_velocity(student):
    loudness = (1, 4, 5, 8, 5, 127, 124, 125, 1)
    played = notes(*((60 + i, v, i / 10, i / 10 + 0.05) for i, v in enumerate(loudness)))
    ids = events(student, played)
    want = ids_of("loud0 loud1 loud31 loud30 loud31 loud0")
    with naming("VELOCITY alone"), playing(played, NO_PEDALS):
        assert_ids(ids[ids >= 359], want)
    first, second = (int(np.flatnonzero(ids == one)[0]) for one in ids_of("loud1 on62"))
    assert_holds(first + 1 == second, "VELOCITY should stand right before its NOTE_ON")


@check("4.2", says="by step, then the note's number by start and pitch", weight=2)
def test_encode_order(student, solution):
    chord = notes((67, 80, 0, 1), (60, 80, 0, 1), (64, 80, 0.001, 1), (60, 90, 1, 1.5))
    want = "loud19 on60 on67 on64 wait100 off60 off67 off64 loud22 on60 wait50 off60"
    assert_events(student, chord, ids_of(want))
    later_note_lower = notes(
        (72, 80, 0.5, 1), (72, 80, 0, 0.5), (40, 80, 0.5, 0.5), (72, 9, 0.5, 1)
    )
    for played in (later_note_lower, later_note_lower[::-1]):
        assert_events(student, played, solution.build("encoded", played, NO_PEDALS)[0])


@check("4.2", says="the pedal prolongs notes; all instruments go into one stream")
def test_encode_pedal(student, reader):
    played = notes(
        (60, 80, 0, 0.5), (64, 40, 0.25, 1, 1, 20), (60, 80, 2, 2.5, 1), (36, 90, 1, 2, 9, 0, 1)
    )
    for moves in (pedals((0, 127), (1.5, 0)), pedals((0, 127, 1), (3, 0, 1))):
        assert_events(student, played, reader.build("encoded_by_note_seq", played, moves), moves)


# Task 4.3: from events to a performance


def assert_played(student, text, *rows):
    ids = ids_of(text)
    with saying_events(ids):
        got, total = assert_parts(student.build("decoded", ids), "notes", "total time")
        assert_notes(got, notes(*rows), ordered=True)
        with naming("total_time"):
            assert_close(total, np.array(max([0.0, *(row[3] for row in rows)])), atol=1e-9)


@check(
    "4.3", says="starts, ends and time shifts give notes in seconds, in the order of ends", weight=3
)
def test_decode_notes(student):
    assert_played(student, "loud19 on60 wait50 off60", (60, 77, 0, 0.5))
    assert_played(
        student,
        "wait100 wait25 loud0 on0 on127 wait1 off127 wait99 off0 loud31 on60 wait7 off60",
        (127, 1, 1.25, 1.26),
        (0, 1, 1.25, 2.25),
        (60, 125, 2.25, 2.32),
    )
    assert_played(student, "wait50")


@check("4.3", says="velocity 100 before the first VELOCITY, then 4 b + 1 at the start", weight=2)
def test_decode_velocity(student):
    assert_played(
        student,
        "on60 wait10 loud5 on62 loud9 wait10 off60 off62 on64 wait10 off64",
        (60, 100, 0, 0.2),
        (62, 21, 0.1, 0.2),
        (64, 37, 0.2, 0.3),
    )


@check(
    "4.3", says="NOTE_OFF ends the note that sounded longest; without one it does nothing", weight=3
)
def test_decode_odd(student):
    assert_played(
        student,
        "off60 loud1 on60 wait10 loud2 on60 wait10 off60 wait10 off60 off60 wait10 on60 wait5 "
        "off60",
        (60, 5, 0, 0.2),
        (60, 9, 0.1, 0.3),
        (60, 9, 0.4, 0.45),
    )
    assert_played(student, "on60 off60 wait10 on60 wait10 off60", (60, 100, 0.1, 0.2))


@check("4.3", says="notes still sounding end with the ids, by start, then pitch", weight=2)
def test_decode_leftover(student):
    assert_played(
        student,
        "on72 wait10 on64 on60 wait20 on40 wait5 off64 on30",
        (64, 100, 0.1, 0.35),
        (72, 100, 0, 0.35),
        (60, 100, 0.1, 0.35),
        (40, 100, 0.3, 0.35),
        (30, 100, 0.35, 0.36),
    )


@check("4.3", says="END ends, PAD and START are skipped, an id out of range raises ValueError")
def test_decode_specials(student):
    text = "start on60 pad wait10 start off60 end on62 wait10 off62"
    assert_played(student, text, (60, 100, 0, 0.1))
    for wrong in ([VOCAB_SIZE], [3, 1000], [-1], [3, -5]):
        assert_raises(ValueError, student.build, "decoded", wrong)


# Task 4.4: other keys, other tempi

PHRASE = ids_of(
    "wait100 wait100 wait50 loud7 on60 on64 wait1 off60 wait3 off64 wait100 on60 wait99 off60"
)


@check("4.4", says="int32 ids; bad arguments raise ValueError; the argument is not changed")
def test_augment_contract(student):
    assert_ids(int32(student.augment(PHRASE, 0, 1.0), (None,)), PHRASE)
    assert_ids(int32(student.augment(PHRASE[:0], 3, 1.05), (0,)), PHRASE[:0])
    for semitones, stretch in ((13, 1.0), (-13, 1.0), (0, 0.0), (0, -1.0)):
        assert_raises(ValueError, student.augment, PHRASE, semitones, stretch)
    for semitones in (12, -12):
        int32(student.augment(PHRASE, semitones, 1.0), PHRASE.shape)


@check("4.4", says="notes are transposed, starts and ends alike, and nothing else", weight=2)
def test_augment_transposed(student):
    want = ids_of("loud7 wait50 on63 on0 wait3 off63 off5 loud31 wait100 on127 off127")
    given = ids_of("loud7 wait50 on60 on0 wait3 off60 off5 loud31 wait100 on127 off127")
    assert_ids(student.augment(given, 3, 1.0), want)


@check("4.4", says="what leaves the piano goes an octave back; what was outside stays", weight=2)
def test_augment_octaves(student):
    given = ids_of("on20 on21 on22 on107 on108 on109 off108 off21")
    up = ids_of("on20 on23 on24 on97 on98 on109 off98 off23")
    down = ids_of("on20 on31 on32 on105 on106 on109 off106 off31")
    assert_ids(student.augment(given, 2, 1.0), up)
    assert_ids(student.augment(given, -2, 1.0), down)


@check("4.4", says="times of events are stretched, a half up, not the gaps between", weight=3)
def test_augment_stretched(student):
    given = ids_of("wait1 on60 wait2 off60 wait2 on62 wait100 wait100 off62")
    halved = ids_of("wait1 on60 wait1 off60 wait1 on62 wait100 off62")
    more = ids_of("wait2 on60 wait3 off60 wait3 on62 wait100 wait100 wait100 off62")
    assert_ids(student.augment(given, 0, 0.5), halved)
    assert_ids(student.augment(given, 0, 1.5), more)
    drifting = np.tile(ids_of("wait3 on60 off60"), 1000)
    moved = int32(student.augment(drifting, 0, 1.05), (None,))
    waiting = int((moved[(moved >= 259) & (moved < 359)] - 258).sum())
    assert_holds(waiting == 3150, f"the last event should be at step 3150, it is at {waiting}")


@check(
    "4.4",
    says="time between events is encoded again: whole 100s, then the rest; none at the end",
    weight=2,
)
def test_augment_spelling(student, solution):
    untidy = ids_of("wait30 wait90 on60 wait1 wait1 off60 wait100 wait40")
    assert_ids(student.augment(untidy, 0, 1.0), ids_of("wait100 wait20 on60 wait2 off60"))
    for semitones, stretch in ((0, 0.25), (-5, 2.0), (7, 0.01), (1, 1.9)):
        got = student.augment(PHRASE, semitones, stretch)
        assert_ids(got, solution.augment(PHRASE, semitones, stretch))


# Task 4.5: crops to learn from


@check("4.5", says="int32 (batch_size, length), again and again; bad arguments raise ValueError")
def test_batches_contract(student):
    for length, size in ((1, 1), (4, 3), (9, 2)):
        some_batches(student, *corpus(5, 0, 2), length, size, 0, 3)
    tokens, offsets = corpus(5, 2)
    for bounds in (offsets[:1], offsets[:0]):
        assert_raises(ValueError, student.build, "batches", tokens, bounds, 4, 2, 0, 1)
    for length, size in ((0, 2), (4, 0), (-1, 2), (4, -2)):
        assert_raises(ValueError, student.build, "batches", tokens, offsets, length, size, 0, 1)


@check("4.5", says="a crop's pairs are on the left: each input with the token after it", weight=3)
def test_batches_pairs(student):
    tokens, offsets = corpus(7, 1, 12)
    after = dict(zip(tokens.tolist(), [*tokens[1:].tolist(), END], strict=True))
    after |= {int(tokens[end - 1]): END for end in offsets[1:]}
    firsts = set(tokens[offsets[:-1]].tolist())
    for inputs, targets in some_batches(student, tokens, offsets, 5, 16, 1, 4):
        for row, aims in zip(inputs.tolist(), targets.tolist(), strict=True):
            size = sum(id != PAD for id in row)
            assert_holds(size > 0, f"a crop without a pair: {row}")
            at_left = not any(row[size:] + aims[size:])
            assert_holds(at_left, f"pairs not at the left: inputs {row}, targets {aims}")
            for place, (id, aim) in enumerate(zip(row[:size], aims, strict=False)):
                right = aim in firsts and place == 0 if id == START else after.get(id) == aim
                assert_holds(right, f"{aim} does not come after {id}: inputs {row}, targets {aims}")
                follows = place == 0 or aims[place - 1] == id
                moved = f"the inputs are not the targets moved by one: {row}, {aims}"
                assert_holds(follows, moved)


@check("4.5", says="crops hang over both ends: every one is equally likely", weight=3)
def test_batches_frequencies(student):
    sizes, length = (3, 20, 7), 4
    tokens, offsets = corpus(*sizes)
    batches = some_batches(student, tokens, offsets, length, 500, 2, 8)
    first_targets = np.concatenate([targets[:, 0] for _, targets in batches])
    # a piece's first pair is the left one of `length` crops, each other pair of one
    shares = np.zeros(3 + len(tokens))
    shares[3:] = 1
    shares[tokens[offsets[:-1]]] = length
    shares[END] = len(sizes)
    inside = (first_targets >= 0) & (first_targets < len(shares))
    assert_holds(inside.all(), "a target that is not a token of the pieces")
    counts = np.bincount(first_targets, minlength=len(shares))
    assert_frequencies(counts, shares / shares.sum(), "crops the first target")


@check("4.5", says="one seed gives the same batches each time; another seed, or going on, others")
def test_batches_seed(student):
    given = *corpus(300, 200), 6, 4
    first, again, other = (some_batches(student, *given, seed, 2) for seed in (3, 3, 4))
    for one, same in zip(first, again, strict=True):
        for before, after in zip(one, same, strict=True):
            assert_holds((before == after).all(), "twice with seed 3: other batches")
    # four crops of 500 agree by chance once in 10^10
    assert_holds((first[0][0] != other[0][0]).any(), "seeds 3 and 4 give the same batch")
    assert_holds((first[0][0] != first[1][0]).any(), "the second batch is the first again")
    assert_holds((first[0][0][0] != first[0][0][1]).any(), "a batch's crops are the same")


# Task 4.6: windows to measure on


@check("4.6", says="int32 (windows, length), 0 windows without pieces; ValueError", weight=1)
def test_evaluation_contract(student):
    tokens, offsets = corpus(9, 3)
    for length, context in ((4, 0), (4, 3), (1, 0), (20, 19)):
        two_arrays(student.evaluation_windows(tokens, offsets, length, context), (None, length))
    two_arrays(student.evaluation_windows(tokens[:0], offsets[:1], 4), (0, 4))
    for length, context in ((4, 4), (4, -1), (4, 9), (0, 0)):
        assert_raises(ValueError, student.evaluation_windows, tokens, offsets, length, context)


@check("4.6", says="without context: one window after another, END a target", weight=2)
def test_evaluation_plain(student):
    tokens, offsets = np.array([5, 6, 7, 8, 9], "u2"), np.array([0, 3, 3, 5])
    got = two_arrays(student.evaluation_windows(tokens, offsets, 2), (5, 2))
    inputs = np.array([[1, 5], [6, 7], [1, 0], [1, 8], [9, 0]])
    targets = np.array([[5, 6], [7, 2], [2, 0], [8, 9], [2, 0]])
    assert_each(WINDOWS, got, (inputs, targets), assert_equal)


@check(
    "4.6", says="with context: windows overlap, the first targets of the later are PAD", weight=3
)
def test_evaluation_context(student, solution):
    tokens, offsets = np.arange(5, 12, dtype="u2"), np.array([0, 7])
    got = two_arrays(student.evaluation_windows(tokens, offsets, 4, 2), (3, 4))
    inputs = np.array([[1, 5, 6, 7], [6, 7, 8, 9], [8, 9, 10, 11]])
    targets = np.array([[5, 6, 7, 8], [0, 0, 9, 10], [0, 0, 11, 2]])
    assert_each(WINDOWS, got, (inputs, targets), assert_equal)
    for sizes in ((8,), (1, 8, 0, 9, 25), (4, 3, 2)):
        for length, context in ((5, 2), (8, 7), (3, 1)):
            given = *corpus(*sizes), length, context
            got = two_arrays(student.evaluation_windows(*given), (None, length))
            want = solution.evaluation_windows(*given)
            assert_each(WINDOWS, got, want, assert_equal)


@check("4.6", says="every token, and every piece's END, is a target exactly once", weight=2)
def test_evaluation_once(student):
    tokens, offsets = corpus(1, 8, 9, 25, 0)
    wanted = Counter([*tokens.tolist(), *[END] * 5])
    for context in (0, 3, 7):
        answer = student.evaluation_windows(tokens, offsets, 8, context)
        targets = assert_array(two_arrays(answer, (None, 8))[1])
        scored = Counter(targets[targets != PAD].tolist())
        for id in sorted(wanted.keys() | scored.keys()):
            times = f"token {id} should be a target {wanted[id]} times, it is {scored[id]} times"
            assert_holds(scored[id] == wanted[id], times)
