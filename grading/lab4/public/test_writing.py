"""Tasks 4.19 and 4.20: what may come next, and playing on."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_equal,
    assert_holds,
    assert_raises,
    check,
    float32,
    int32,
    naming,
)
from grading.lab4.networks import network, pair
from grading.lab4.performances import (
    END,
    NOTE_OFF,
    NOTE_ON,
    PAD,
    START,
    TIME_SHIFT,
    VOCAB_SIZE,
    assert_ids,
    saying_events,
)
from grading.sandbox.proxy import model

# Task 4.19: what may come next

ROW = np.log(np.array([[0.1, 0.4, 0.2, 0.3]], "f4"))
CUT = -1e9


def assert_kept(student, logits, kept, **options):
    """Demand some of the logits as they are, and -1e9 for the others."""
    got = float32(student.filter_logits(logits, **options), logits.shape)
    warm = logits / np.float32(options.get("temperature", 1.0))
    with naming(what_is_kept(warm, np.array(kept, bool))):
        assert_close(got, np.where(np.array(kept, bool), warm, CUT))


def what_is_kept(logits, kept):
    """Say which ids are kept in each row, and of one row with what probabilities."""
    if kept.all():
        return "nothing should be cut"
    rows = [np.flatnonzero(row).tolist() for row in kept]
    if len(rows) > 1:
        return f"in each row keep ids {rows}"
    weights = np.exp(logits[0] - logits[0].max())
    probabilities = ", ".join(f"{share:.3g}" for share in weights / weights.sum())
    return f"of ids with probabilities {probabilities} keep {rows[0]}"


@check("4.19", says="float32 (batch, vocab_size), unchanged unless told; ValueError")
def test_filter_contract(student, rng):
    for shape, dtype in (((1, 4), "f4"), ((3, 9), "f8"), ((2, 5), "f2")):
        logits = rng.normal(size=shape).astype(dtype)
        assert_close(float32(student.filter_logits(logits), shape), logits.astype("f4"))
    for arguments in (
        {"temperature": 0.0},
        {"temperature": -1.0},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": -0.1},
        {"top_p": 1.5},
    ):
        assert_raises(ValueError, student.filter_logits, ROW, **arguments)


@check("4.19", says="logits are divided by the temperature")
def test_filter_temperature(student, rng):
    logits = 3 * rng.normal(size=(3, 6)).astype("f4")
    for temperature in (0.5, 1.0, 2.0):
        assert_kept(student, logits, np.ones((3, 6)), temperature=temperature)


@check("4.19", says="top-k keeps the k largest, and those equal to the smallest of them", weight=2)
def test_filter_top_k(student):
    for top_k, kept in ((1, [[0, 1, 0, 0]]), (2, [[0, 1, 0, 1]]), (3, [[0, 1, 1, 1]])):
        assert_kept(student, ROW, kept, top_k=top_k)
    for top_k in (0, 4, 9):
        assert_kept(student, ROW, np.ones((1, 4)), top_k=top_k)
    equals = np.array([[1.0, 2, 1, 1, 0], [3, 3, 3, 3, 3]], "f4")
    assert_kept(student, equals, [[1, 1, 1, 1, 0], [1] * 5], top_k=2)


@check(
    "4.19", says="top-p keeps the likeliest up to the sum, the one that reaches it too", weight=3
)
def test_filter_top_p(student):
    one, two, three = [[0, 1, 0, 0]], [[0, 1, 0, 1]], [[0, 1, 1, 1]]
    cases = [(0.01, one), (0.35, one), (0.45, two), (0.65, two), (0.75, three), (0.85, three)]
    for top_p, kept in [*cases, (0.95, [[1] * 4]), (1.0, [[1] * 4])]:
        assert_kept(student, ROW, kept, top_p=top_p)
    rows = np.concatenate([ROW, ROW[:, ::-1], np.zeros((1, 4), "f4")])
    assert_kept(student, rows, [*two, two[0][::-1], [1] * 4], top_p=0.6)


@check("4.19", says="first temperature, then top-k, then top-p of what is left", weight=2)
def test_filter_order(student):
    one, two = [[0, 1, 0, 0]], [[0, 1, 0, 1]]
    # p² / Σ p² = 0.53 for the likeliest: it alone reaches 0.5, as 0.4 did not
    assert_kept(student, ROW, one, temperature=0.5, top_p=0.5)
    # √p / Σ √p = 0.33, 0.28, …
    assert_kept(student, ROW, two, temperature=2.0, top_p=0.4)
    # of the two likeliest the first has 4/7 = 0.57: it reaches 0.5, but not 0.65
    assert_kept(student, ROW, one, top_k=2, top_p=0.5)
    assert_kept(student, ROW, two, top_k=2, top_p=0.65)
    assert_kept(student, ROW, two, top_k=3, top_p=0.65)


# Task 4.20: playing on. The model is mostly a script (`scripted_music` in
# grading/lab4/builders.py): its logits are a row of a table, and which row depends on each id in
# the window, and on how long ago it was, as long as the cache holds them in order.

WINDOW = 6


def scripts(codes, rng, vocab_size=VOCAB_SIZE, end=-50.0):
    """Build the same script in each worker; `end` is added to the logits of END."""
    table = rng.normal(0, 2, (31, vocab_size)).astype("f4")
    table[:, END] += end
    return [model(code.build("scripted_music", table, WINDOW)) for code in codes]


def some_primers(rng, batch, length):
    """Draw primers: START, then notes that start."""
    primers = NOTE_ON + rng.integers(0, 4, (batch, length))
    primers[:, 0] = START
    return primers.astype("i4")


def gumbel(rng, *shape):
    """Draw noise."""
    return rng.gumbel(size=shape).astype("f4")


@check("4.20", says="int32 (batch, steps), never PAD before END, never START")
def test_generate_contract(student, rng):
    music = network(student, 11, 8, 2, 8, 1, 4, 5)
    for batch, length, steps in ((1, 1, 1), (3, 4, 5)):
        primers = np.minimum(some_primers(rng, batch, length), 10)
        ids = student.generate(music, primers, gumbel(rng, batch, steps, 11), slots=3)
        for row in int32(ids, (batch, steps)).tolist():
            before, _, after = (row, [], []) if END not in row else split(row)
            fine = all(END < id < 11 for id in before)
            assert_holds(fine, f"ids before END ({END}) should be {END + 1} … 10: {row}")
            assert_holds(not any(after), f"after END ({END}) all should be PAD ({PAD}): {row}")


def split(row):
    """What stands before END, END, and what stands after."""
    place = row.index(END)
    return row[:place], [END], row[place + 1 :]


@check("4.20", says="the model's own logits and the noise decide what is generated", weight=2)
def test_generate_model(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "MusicTransformer", 11, 8, 2, 8, 2, 4, 5)
    primers = np.minimum(some_primers(rng, 3, 4), 10)
    noise = gumbel(rng, 3, 7, 11)
    got = student.generate(mine, primers, noise, slots=4)
    assert_equal(got, solution.generate(theirs, primers, noise, slots=4))


@check("4.20", says="each id is read once, in its place; noise[:, t] decides the t-th", weight=3)
def test_generate_script(student, solution, rng):
    mine, theirs = scripts((student, solution), rng, 20)
    for length, steps in ((1, 4), (8, 9)):
        primers = np.minimum(some_primers(rng, 3, length), 19)
        noise = gumbel(rng, 3, steps, 20)
        got = student.generate(mine, primers, noise)
        assert_equal(got, solution.generate(theirs, primers, noise))


@check("4.20", says="slots change nothing: the cache moves and goes on", weight=2)
def test_generate_slots(student, solution, rng):
    mine, theirs = scripts((student, solution), rng, 20)
    primers, noise = np.minimum(some_primers(rng, 3, 3), 19), gumbel(rng, 3, 11, 20)
    want = solution.generate(theirs, primers, noise)
    for slots in (1, 4):
        assert_equal(student.generate(mine, primers, noise, slots=slots), want)


@check("4.20", says="a row is done after END: what follows is PAD, the others go on", weight=2)
def test_generate_end(student, solution, rng):
    mine, theirs = scripts((student, solution), rng, 20, end=3.0)
    primers, noise = np.minimum(some_primers(rng, 8, 2), 19), gumbel(rng, 8, 10, 20)
    want = solution.generate(theirs, primers, noise)
    assert_equal(student.generate(mine, primers, noise, slots=4), want)


@check("4.20", says="with grammar only sounding notes can end, the primer's included", weight=2)
def test_generate_grammar(student, solution, rng):
    mine, theirs = scripts((student, solution), rng)
    primers = some_primers(rng, 4, 3)
    primers[0] = [START, NOTE_ON + 60, NOTE_OFF + 60]
    primers[1] = [START, NOTE_OFF + 2, NOTE_ON + 2]  # an end without a start takes nothing away
    noise = gumbel(rng, 4, 8, VOCAB_SIZE)
    noise[:, :, NOTE_OFF:TIME_SHIFT] += 6  # nearly all that is written ends a note
    noise[:, :, NOTE_OFF : NOTE_OFF + 4] += 6
    for grammar in (False, True):
        got = student.generate(mine, primers, noise, grammar=grammar, slots=3)
        want = solution.generate(theirs, primers, noise, grammar=grammar, slots=3)
        got = assert_array(got, want.shape, "iu")
        for row, (primer, one, wanted) in enumerate(zip(primers, got, want, strict=True)):
            with naming(f"row {row}, grammar={grammar}"), saying_events(primer, "primer"):
                assert_ids(one, wanted)


@check("4.20", says="temperature, top-k and top-p act on the logits, not on the noise")
def test_generate_filter(student, solution, rng):
    mine, theirs = scripts((student, solution), rng, 20)
    primers, noise = np.minimum(some_primers(rng, 3, 3), 19), gumbel(rng, 3, 5, 20)
    for options in ({"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.6}):
        got = student.generate(mine, primers, noise, **options)
        assert_equal(got, solution.generate(theirs, primers, noise, **options))
