"""Tasks 5.1 to 5.6: chords, REMI and back, compound words and back."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_equal,
    assert_holds,
    assert_parts,
    check,
)
from grading.lab5.hidden.oracles import any_piece, chord, chords, piece_of, remi
from grading.lab5.words import assert_decoded, assert_words, notes, words_of
from toolkit.music.remi import AUTHORS, COMPOUND, SPELLINGS

# Task 5.1


def assert_chord(student, played, start, end):
    assert_equal(
        tuple(assert_parts(student.build("chord_of", played, start, end), "", "")),
        chord(played, start, end),
    )


@check("5.1", says="name and score, for any notes", weight=3, hidden=True)
def test_chord_random(student, rng):
    for _ in range(30):
        count, start = int(rng.integers(3, 9)), int(rng.integers(0, 3)) * 480
        end = start + int(rng.choice([480, 960]))
        begin = start + rng.integers(-200, 300, count)
        stop = np.maximum(begin, start) + rng.integers(60, 900, count)
        scale = np.array([0, 2, 4, 5, 7, 9, 11, 10])
        pitch = 12 * rng.integers(3, 6, count) + rng.choice(scale, count)
        assert_chord(student, np.stack([begin, stop, pitch, pitch], axis=1), start, end)


@check("5.1", says="of equal scores the lower root, then the earlier template", hidden=True)
def test_chord_equal(student, rng):
    root = int(rng.integers(48, 60))
    for shape in ((0, 4, 8), (0, 3, 6, 9), (0, 6), (0, 7), (0, 5)):
        assert_chord(student, notes(*((0, 480, root + step) for step in shape)), 0, 480)


@check("5.1", says="the bass lasts an eighth, notes of one pitch together", hidden=True)
def test_chord_eighth(student, rng):
    root = int(rng.integers(55, 66))
    high = [(0, 480, root + step) for step in (0, 3, 7)]
    for ticks in (59, 60):
        for below in (3, 4):
            parts = [(0, ticks - 30, root - below), (100, 130, root - below)]
            assert_chord(student, notes(*high, *parts), 0, 480)
    # nothing lasts an eighth, but all together score enough
    short = [(50 * i, 50 * i + 50, root + 12 * o) for i, o in enumerate((-2, -1, 0, 1, 2))]
    many = [*short, *((start, end, pitch + 7) for start, end, pitch in short)]
    assert_chord(student, notes(*many, *((s, e, p + 4) for s, e, p in short)), 0, 480)


# Task 5.2


@check("5.2", says="the chord of each beat, for any music", weight=2, hidden=True)
def test_chords_random(student, rng):
    for _ in range(4):
        count = int(rng.integers(20, 40))
        start = rng.integers(0, 60, count) * 80
        pitch = 12 * rng.integers(3, 6, count) + rng.choice([0, 2, 4, 5, 7, 9, 11], count)
        played = np.stack([start, start + rng.integers(1, 12, count) * 80, pitch, pitch], axis=1)
        assert_words(student.recognise_chords(played), chords(played))


@check(
    "5.2",
    says="an earlier note counts if it starts at one of the last ten start times",
    hidden=True,
)
def test_chords_forgotten(student, rng):
    root = int(rng.integers(40, 50))
    held = [(0, 1440, root + step) for step in (0, 4, 7)]
    for others in (9, 10, 11):
        more = [(1 + i, 30 + i, int(rng.integers(60, 70))) for i in range(others - 1)]
        twice = [*more, *more[:3], (500, 520, root), (961, 1000, root + 12)]
        played = notes(*held, *twice)
        assert_words(student.recognise_chords(played), chords(played))


# Task 5.3


@check("5.3", says="the words of any piece, in every spelling", weight=4, hidden=True)
def test_encode_random(student, rng):
    for name in SPELLINGS:
        for _ in range(3):
            played, pace, marks = any_piece(rng)
            got = words_of(student, played, name, pace, marks)
            assert_words(got, remi(played, pace, marks, name))


@check("5.3", says="of several chords or tempi at a step the first, or the last", hidden=True)
def test_encode_clamped(student, rng):
    played = notes((3840, 4320, 60), (4800, 5280, 62))
    ticks = np.sort(rng.integers(0, 4100, 6))
    pace = np.stack([ticks, rng.uniform(40, 200, 6)], axis=1)
    marks = [(int(tick), f"{root}_m") for tick, root in zip(ticks, "CDEFGA", strict=True)]
    for name in ("authors", "before compound"):
        got = words_of(student, played, name, pace, marks)
        assert_words(got, remi(played, pace, marks, name))


# Task 5.4


@check("5.4", says="any words at all, in any spelling", weight=3, hidden=True)
def test_decode_random(student, rng):
    for name, spelling in SPELLINGS.items():
        words = remi(*any_piece(rng), name)[:-2] + remi(*any_piece(rng), name)
        for change in range(3):
            line = list(words)
            for _ in range(10 * change):  # some words lost, some exchanged, some of another kind
                place = int(rng.integers(len(line) - 1))
                kind = int(rng.integers(3))
                if kind == 0:
                    del line[place]
                elif kind == 1:
                    line[place], line[place + 1] = line[place + 1], line[place]
                else:
                    line[place] = spelling.vocabulary[int(rng.integers(1, len(spelling.words)))]
            got = student.build("words_to_piece", line, name)
            assert_decoded(got, piece_of(line, name))


@check("5.4", says="what is encoded comes back, and no word breaks the grammar", hidden=True)
def test_decode_encoded(student, rng):
    for name in SPELLINGS:
        words = remi(*any_piece(rng), name)
        want = piece_of(words, name)
        assert_equal(want[-1], 0)
        assert_decoded(student.build("words_to_piece", words, name), want)


# Tasks 5.5 and 5.6


def rows_of(words):
    """Compound words of REMI, group by group."""
    found = []
    for word in words:
        kind, _ = AUTHORS.words[word]
        if kind in ("end", "bar", "position", "pitch"):
            conti = int(kind == "position")
            type_ = {"end": 0, "pitch": 2}.get(kind, 1)
            found.append([conti, conti, 0, type_, 0, 0, 0])
        if kind != "end":
            field = [*COMPOUND].index("bar-beat" if kind in ("bar", "position") else kind)
            name = "Bar" if kind == "bar" else word.removeprefix("Chord_")
            found[-1][field] = [*COMPOUND.values()][field].index(name)
    return np.array(found)


@check("5.5", says="rows of any piece's words", hidden=True)
def test_rows_random(student, rng):
    for _ in range(4):
        words = remi(*any_piece(rng), "authors")
        got = assert_array(student.remi_to_compound(words), (None, 7), "iu")
        want = rows_of(words)
        assert_holds(len(got) == len(want), "another number of rows")
        assert_equal(got, want)


@check("5.6", says="words of any piece's rows", hidden=True)
def test_back_random(student, rng):
    for _ in range(3):
        words = remi(*any_piece(rng), "authors")
        got = assert_parts(student.build("rows_to_words", rows_of(words)), "words", "broken")
        assert_words(got[0], words)
        assert_equal(got[1], 0)


@check("5.6", says="any rows at all", hidden=True)
def test_back_any(student, rng):
    sizes = [len(words) for words in COMPOUND.values()]
    names = [*COMPOUND.values()]
    for _ in range(3):
        rows = np.stack([rng.integers(0, size, 60) for size in sizes], axis=1)
        rows[:50, 3] = rng.integers(1, 3, 50)
        rows[rng.random((60, 7)) < 0.2] = 0
        rows[:50, 3] = np.maximum(rows[:50, 3], 1)
        want, broken = [], 0
        for tempo, mark, place, kind, pitch, duration, velocity in rows.tolist():
            if kind == 0:
                want.append("EOS_None")
                break
            if kind == 2 and pitch and duration and velocity:
                want += [names[4][pitch], names[6][velocity], names[5][duration]]
            elif kind == 1 and place == 1:
                want.append("Bar_None")
            elif kind == 1 and place:
                want.append(names[2][place])
                want += [f"Chord_{names[1][mark]}"] * (mark > 1)
                want += [names[0][tempo]] * (tempo > 1)
            else:
                broken += 1
        got = assert_parts(student.build("rows_to_words", rows), "words", "broken")
        assert_words(got[0], want)
        assert_equal(got[1], broken)
