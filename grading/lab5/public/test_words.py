"""Tasks 5.1 to 5.6: chords, REMI and back, compound words and back."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_raises,
    check,
    naming,
)
from grading.lab5.words import (
    assert_decoded,
    assert_words,
    notes,
    saying,
    tempi,
    told,
    words_of,
)
from grading.sandbox.failures import CheckFailed

BEAT, BAR = 480, 1920

# Task 5.1: the chord of a span


def sounding(*pitches, start=0, end=BEAT):
    """Notes all through a span."""
    return notes(*((start, end, pitch) for pitch in pitches))


def assert_named(student, solution, played, start=0, end=BEAT):
    with saying(f"sounding from {start} to {end}", *told(played)):
        got = assert_parts(student.build("chord_of", played, start, end), "name", "score")
        want = solution.build("chord_of", played, start, end)
        if got != list(want):
            raise CheckFailed("value", f"expected {want}, got {tuple(got)}")


@check("5.1", says="a name and a whole score; C, E and G are C_M")
def test_chord_contract(student):
    played = sounding(48, 52, 55)
    with saying("sounding", *told(played)):
        got = assert_parts(student.build("chord_of", played, 0, BEAT), "name", "score")
        assert_equal(tuple(got), ("C_M", 14400))
    assert_equal(student.build("chord_of", notes(), 0, BEAT), ("N_N", -1))


@check("5.1", says="each template at its root, with its score", weight=3)
def test_chord_templates(student, solution):
    for shape in ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 2, 7), (0, 5, 7), (0, 7), (0,)):
        for root in (48, 55, 58):
            assert_named(student, solution, sounding(*(root + step for step in shape)))


@check("5.1", says="only ticks within the span count", weight=2)
def test_chord_ticks(student, solution):
    longer = notes((0, 480, 48), (0, 480, 52), (0, 480, 55), (0, 30, 57), (30, 60, 57))
    across = notes((-900, 200, 57), (100, 480, 48), (0, 2000, 52), (400, 600, 55))
    assert_named(student, solution, longer)
    assert_named(student, solution, across)
    assert_named(student, solution, np.add(across, [BAR, BAR, 0, 0]), BAR, BAR + 2 * BEAT)
    assert_named(student, solution, notes((0, 300, 48), (100, 480, 60), (0, 480, 64), (0, 240, 67)))


@check("5.1", says="a best score below 10 a tick names nothing: N_N and -1")
def test_chord_none(student, solution):
    for played in (
        notes((0, 160, 48), (160, 320, 54)),
        sounding(48, 49, 50, 51),
        notes((0, 479, 60)),
    ):
        assert_named(student, solution, played)
    assert_named(student, solution, notes((0, 480, 60)))


@check("5.1", says="the bass can turn a chord into another one with the bass as root", weight=2)
def test_chord_bass(student, solution):
    shapes = {"M": (0, 4, 7), "m": (0, 3, 7), "o": (0, 3, 6), "sus2": (0, 2, 7), "sus4": (0, 5, 7)}
    for shape in shapes.values():
        for above in (3, 4, 5, 7, 8):
            chord = [60 + step for step in shape]
            bass = notes((0, 60, 60 - above))
            # the chord outweighs the bass, which lasts just an eighth of the span, then less
            assert_named(student, solution, np.concatenate([sounding(*chord), bass]))
            assert_named(
                student, solution, np.concatenate([sounding(*chord), bass - [0, 20, 0, 0]])
            )


@check("5.1", says="then sevenths: M7 or 7 by which sounds longer, m7 if it sounds", weight=2)
def test_chord_sevenths(student, solution):
    for third in (4, 3):
        for minor, major in ((0, 0), (60, 0), (0, 60), (90, 60), (60, 90), (60, 60)):
            sevenths = [(0, minor, 70)] * bool(minor) + [(0, major, 71)] * bool(major)
            played = np.concatenate([sounding(48, 48 + third, 55), notes(*sevenths)])
            assert_named(student, solution, played)


# Task 5.2: a chord a beat

C, A_MINOR, F = (48, 52, 55), (45, 48, 52), (41, 45, 48)


def beats(*chords):
    """Chords of one beat each."""
    return np.concatenate(
        [sounding(*c, start=i * BEAT, end=(i + 1) * BEAT) for i, c in enumerate(chords) if c]
    )


def assert_chords(student, solution, played):
    with saying("played", *told(played)):
        assert_words(student.recognise_chords(played), solution.recognise_chords(played))


@check("5.2", says="a name for each beat until the last note has ended")
def test_chords_contract(student):
    with saying("played", "C, E, G for two beats"):
        assert_words(student.recognise_chords(sounding(48, 52, 55, end=2 * BEAT)), ["C_M"] * 2)
        assert_words(student.recognise_chords(sounding(48, 52, 55, end=BEAT + 1)), ["C_M"] * 2)


@check("5.2", says="single beats only where both are as clear as the pair", weight=3)
def test_chords_pairs(student, solution):
    assert_chords(student, solution, beats(C, F, A_MINOR, C))
    assert_chords(student, solution, beats(C, (50,), C, (48, 52), (55,), C))
    # a major seventh costs and brings nothing: both beats are just as clear as the pair
    assert_chords(student, solution, beats((*C, 71), C, C, (*C, 71)))
    arpeggio = notes(*((i * 240, i * 240 + 240, pitch) for i, pitch in enumerate(C + C[:1])))
    assert_chords(student, solution, np.concatenate([arpeggio, beats((), (), F, F)]))


@check("5.2", says="beats are paired from the first; silence is N_N")
def test_chords_silence(student, solution):
    assert_chords(student, solution, beats((), C, C, (), (), (), F, F, A_MINOR))
    assert_chords(student, solution, beats((), (), (), C))


@check("5.2", says="a last beat without a partner has its own chord")
def test_chords_last(student, solution):
    for last in (C, (48,), (48, 49, 50), (48, 55)):
        assert_chords(student, solution, beats(F, F, last))


@check("5.2", says="long notes count in each beat that they sound in; order does not matter")
def test_chords_long(student, solution):
    held = np.concatenate([sounding(*C, end=5 * BEAT), beats((), (), (57,), (57,), (53, 57))])
    assert_chords(student, solution, held)
    assert_chords(student, solution, held[::-1])


# Task 5.3: from a piece to REMI


def assert_encoded(student, played, want, spelling="authors", pace=None, chords=()):
    with saying("played", *told(played), *(pace if pace is not None else ()), *chords):
        assert_words(words_of(student, played, spelling, pace, chords), want.split())


def note(pitch, velocity=80, ticks=480):
    """A note's words, the authors'."""
    return f"Note_Pitch_{pitch} Note_Velocity_{velocity} Note_Duration_{ticks}"


@check("5.3", says="bar, position, note, then Bar and EOS; EtudeError without notes")
def test_encode_contract(student):
    want = f"Bar_None Beat_4 {note(60)} Bar_None EOS_None"
    assert_encoded(student, notes((480, 960, 60)), want)
    assert_raises_etude(student.build, "piece_to_words", notes(), tempi(), [], "authors")


def assert_raises_etude(function, *args):
    """Demand the toolkit's own error."""
    from toolkit.errors import EtudeError

    said = assert_raises(EtudeError, function, *args)
    assert_holds(said.strip(), "the error says nothing")


@check("5.3", says="a start goes to the nearest step, a half to the even one", weight=2)
def test_encode_rounding(student):
    played = notes((60, 540, 60), (180, 660, 62), (300, 780, 64), (419, 900, 65), (421, 901, 67))
    want = f"Bar_None Beat_0 {note(60)} Beat_2 {note(62)} {note(64)} Beat_3 {note(65)} "
    want += f"Beat_4 {note(67)} Bar_None EOS_None"
    assert_encoded(student, played, want)
    lengths = notes((0, 60, 60), (0, 180, 59), (0, 300, 58), (55, 240, 57))
    want = f"Bar_None Beat_0 {note(60, ticks=0)} {note(59, ticks=240)} {note(58, ticks=240)} "
    assert_encoded(student, lengths, want + f"{note(57, ticks=240)} Bar_None EOS_None")


@check("5.3", says="notes by their start in ticks, then by falling pitch", weight=2)
def test_encode_order(student):
    played = notes((20, 500, 60), (0, 480, 48), (0, 480, 64), (10, 490, 72), (0, 480, 55))
    want = " ".join(note(pitch) for pitch in (64, 55, 48, 72, 60))
    assert_encoded(student, played, f"Bar_None Beat_0 {want} Bar_None EOS_None")
    twice = notes((9, 489, 60, 90), (9, 969, 60, 70), (9, 249, 60, 80))
    want = f"{note(60, 90)} {note(60, 70, 960)} {note(60, 80, 240)}"
    assert_encoded(student, twice, f"Bar_None Beat_0 {want} Bar_None EOS_None")


@check("5.3", says="leading bars are left out, empty ones inside stay", weight=2)
def test_encode_bars(student):
    played = notes((2 * BAR + 480, 2 * BAR + 960, 60), (5 * BAR + 120, 5 * BAR + 600, 62))
    want = f"Bar_None Beat_4 {note(60)} Bar_None Bar_None Bar_None Beat_1 {note(62)} "
    assert_encoded(student, played, want + "Bar_None EOS_None")
    nearly = notes((BAR - 50, BAR + 430, 60), (BAR + 240, BAR + 720, 62))
    want = f"Bar_None Beat_0 {note(60)} Beat_2 {note(62)} Bar_None EOS_None"
    assert_encoded(student, nearly, want)


@check("5.3", says="chord, then tempo, then notes; on beats; the first of several", weight=2)
def test_encode_chords(student):
    played = notes((BAR + 480, BAR + 960, 60), (BAR + 600, BAR + 1080, 62))
    pace = tempi((0, 60), (480, 150), (BAR + 500, 101), (BAR + 960, 33.4), (3 * BAR, 120))
    chords = ((0, "A_M7"), (480, "C_m"), (BAR + 700, "N_N"), (BAR + 1440, "D_7"), (3 * BAR, "D_M"))
    want = f"Bar_None Beat_0 Chord_A_M7 Tempo_59 Beat_4 Tempo_101 {note(60)} Beat_5 {note(62)} "
    want += "Beat_8 Tempo_32 Beat_12 Chord_D_7 Bar_None EOS_None"
    # tick 700 is 1.46 beats: beat 1
    want = want.replace("Beat_4 Tempo", "Beat_4 Chord_N_N Tempo")
    assert_encoded(student, played, want, pace=pace, chords=chords)


@check("5.3", says="the authors drop what starts on, or is rounded to, the last bar line", weight=2)
def test_encode_end(student):
    for last in (BAR, BAR - 30):
        played = notes((0, 480, 60), (last, last + 480, 62))
        assert_encoded(student, played, f"Bar_None Beat_0 {note(60)} Bar_None EOS_None")
        want = "Bar_None Beat_0 Note_Pitch_60 Note_Duration_480 Bar_None Beat_0 Note_Pitch_62 "
        assert_encoded(student, played, want + "Note_Duration_480 Bar_None EOS_None", "score")
    played = notes((0, 480, 60), (BAR + 10, BAR + 480, 62))
    want = f"Bar_None Beat_0 {note(60)} Bar_None Beat_0 {note(62)} Bar_None EOS_None"
    assert_encoded(student, played, want)


@check(
    "5.3", says="the talk's spelling: a position each, rising pitches; scores: no tempo", weight=2
)
def test_encode_spellings(student):
    played = notes((960, 1534, 59, 55), (960, 1534, 55, 57))
    pace, chords = tempi((0, 120), (960, 146)), ((0, "N_N"), (960, "G_M"))
    want = """Bar_None Position_1/16 Chord_N:N Position_1/16 Tempo~Class_mid Tempo~Value_30
    Position_9/16 Chord_G:maj Position_9/16 Tempo~Class_mid Tempo~Value_56
    Position_9/16 Note~Velocity_14 Note~On_55 Note~Duration_9
    Position_9/16 Note~Velocity_13 Note~On_59 Note~Duration_9 Bar_None EOS_None"""
    words = [word.replace("~", " ") for word in want.split()]
    with saying("played", *told(played)):
        assert_words(words_of(student, played, "talk", pace, chords), words)
    want = "Bar_None Beat_0 Chord_N_N Beat_8 Chord_G_M Note_Pitch_59 Note_Duration_600 "
    want += "Note_Pitch_55 Note_Duration_600 Bar_None EOS_None"
    later = tempi((0, 120), (480, 90), (960, 146))
    assert_encoded(student, played, want, "score", later, chords)


# Task 5.4: from REMI to a piece


def assert_read(student, words, played, pace=(), chords=(), broken=0, spelling="authors"):
    words = [word.replace("~", " ") for word in words.split()]
    with saying("words", " ".join(words)):
        got = student.build("words_to_piece", words, spelling)
        assert_decoded(got, (played, tempi(*pace), list(chords), broken))


@check("5.4", says="notes, tempi and chords at the ticks of their positions", weight=3)
def test_decode_values(student):
    words = (
        f"Bar_None Beat_0 Chord_A_M7 Tempo_101 {note(60)} {note(64, 90, 960)} Beat_6 {note(62)} "
    )
    words += f"Bar_None Bar_None Beat_15 Chord_N_N {note(48, 40, 120)} Bar_None EOS_None"
    start = 2 * BAR + 1800
    played = notes((0, 480, 60), (0, 960, 64, 90), (720, 1200, 62), (start, start + 120, 48, 40))
    assert_read(student, words, played, [(0, 101)], [(0, "A_M7"), (start, "N_N")])
    assert_read(student, "Bar_None EOS_None", notes())


@check("5.4", says="a duration of 0 lasts 60 ticks; without velocities all are 64")
def test_decode_defaults(student):
    assert_read(student, f"Bar_None Beat_4 {note(60, ticks=0)}", notes((480, 540, 60)))
    words = "Bar_None Beat_0 Note_Pitch_60 Note_Duration_480 Note_Pitch_62 Note_Duration_0 EOS_None"
    assert_read(student, words, notes((0, 480, 60, 64), (0, 60, 62, 64)), spelling="score")


@check(
    "5.4", says="words without bar or position, or that go back, are counted and left out", weight=2
)
def test_decode_places(student):
    words = f"Beat_0 {note(60)} Bar_None {note(62)} Beat_8 {note(64)} Beat_4 {note(65)} Bar_None "
    words += f"Tempo_101 Chord_C_M Beat_2 Beat_2 {note(67)} EOS_None"
    played = notes((960, 1440, 64), (960, 1440, 65), (BAR + 240, BAR + 720, 67))
    assert_read(student, words, played, broken=4 + 3 + 1 + 2)


@check("5.4", says="an item that is not finished is counted, all its words", weight=2)
def test_decode_items(student):
    words = f"Bar_None Beat_0 Note_Pitch_60 Note_Velocity_80 Note_Pitch_62 {note(64)} "
    words += f"Note_Duration_480 Note_Velocity_80 Note_Pitch_50 Beat_4 {note(65)} Note_Pitch_55 "
    words += "Chord_C_M Note_Pitch_57 Note_Velocity_80"
    played = notes((0, 480, 64), (480, 960, 65))
    # 60 with its velocity, 62, a duration, a velocity, 50, 55, and 57 with its velocity
    assert_read(student, words, played, chords=[(480, "C_M")], broken=2 + 1 + 2 + 1 + 1 + 2)
    assert_read(student, "Bar_None Beat_0 Note_Pitch_60 Bar_None EOS_None", notes(), broken=1)


@check("5.4", says="after the first EOS nothing is read; EtudeError for an unknown word")
def test_decode_end(student):
    words = f"Bar_None Beat_0 {note(60)} EOS_None Beat_4 {note(62)} nonsense"
    assert_read(student, words, notes((0, 480, 60)))
    assert_read(student, "Bar_None Beat_0 Note_Pitch_60 EOS_None Beat_0", notes(), broken=1)
    assert_raises_etude(student.build, "words_to_piece", ["Bar_None", "Position_1/16"], "authors")


@check("5.4", says="the talk's words: velocity first, a tempo of two words", weight=2)
def test_decode_talk(student):
    words = "Bar_None Position_5/16 Chord_G:maj Position_5/16 Tempo~Class_mid Tempo~Value_30 "
    words += "Position_5/16 Note~Velocity_13 Note~On_59 Note~Duration_9 Position_9/16 "
    words += "Tempo~Class_slow Note~Velocity_13 Note~On_60 Note~Duration_0 Tempo~Value_3 EOS_None"
    played = notes((480, 1080, 59, 52), (960, 1020, 60, 52))
    assert_read(student, words, played, [(480, 120)], [(480, "G_M")], 2, "talk")


# Task 5.5: compound words

WORDS = f"Bar_None Beat_0 Chord_A_M7 Tempo_101 {note(60)} {note(64, 90, 960)} Beat_6 {note(62)} "
WORDS += f"Bar_None Beat_3 Tempo_32 {note(0, 40, 0)} Beat_4 Chord_N_N Beat_5 Bar_None EOS_None"


def assert_rows(student, solution, words):
    with saying("words", words):
        want = solution.remi_to_compound(words.split())
        got = assert_array(student.remi_to_compound(words.split()), (None, 7), "iu")
        for number, (one, other) in enumerate(zip(got, want, strict=False)):
            with naming(f"row {number}"):
                assert_equal(one, other)
        assert_holds(len(got) == len(want), f"expected {len(want)} rows, got {len(got)}")


@check("5.5", says="rows of bars, of positions, of notes and of the end", weight=3)
def test_rows_values(student, solution):
    with saying("words", f"Bar_None Beat_0 {note(60)} Bar_None EOS_None"):
        got = student.remi_to_compound(f"Bar_None Beat_0 {note(60)} Bar_None EOS_None".split())
        bar = [0, 0, 1, 1, 0, 0, 0]
        want = [bar, [1, 1, 2, 1, 0, 0, 0], [0, 0, 0, 2, 61, 5, 21], bar, [0] * 7]
        assert_equal(assert_array(got, (5, 7), "iu"), np.array(want))
    assert_rows(student, solution, WORDS)


@check("5.5", says="tempo and chord of a position, or CONTI", weight=2)
def test_rows_conti(student, solution):
    for said in ("", "Chord_C_M", "Tempo_224", "Chord_N_N Tempo_32", "Chord_B_sus4"):
        assert_rows(student, solution, f"Bar_None Beat_12 {said} {note(127, 126, 1920)} Bar_None")


@check("5.5", says="EtudeError for a word that is not the authors'")
def test_rows_unknown(student):
    for word in ("Note On_60", "Position_1/16", "nonsense"):
        assert_raises_etude(student.remi_to_compound, ["Bar_None", word])


# Task 5.6: and back


def assert_words_of_rows(student, rows, want, broken=0):
    rows = np.array(rows, "i8").reshape(-1, 7)
    with saying("rows", *rows.tolist()):
        words, count = assert_parts(student.build("rows_to_words", rows), "words", "broken")
        assert_words(words, want.split())
        with naming("broken"):
            assert_equal(count, broken)


@check("5.6", says="rows of compound words become the words that they were made from", weight=3)
def test_back_values(student, solution):
    assert_words_of_rows(student, solution.remi_to_compound(WORDS.split()), WORDS)
    assert_words_of_rows(student, [], "")


@check("5.6", says="only the fields of a row's type are used", weight=2)
def test_back_others(student):
    assert_words_of_rows(student, [[5, 7, 1, 1, 3, 4, 5]], "Bar_None")
    want = "Beat_0 Chord_C_M Tempo_41"
    assert_words_of_rows(student, [[5, 3, 2, 1, 3, 4, 5]], want)
    assert_words_of_rows(student, [[5, 3, 2, 2, 61, 5, 21]], note(60))
    assert_words_of_rows(student, [[5, 3, 2, 0, 3, 4, 5], [0, 0, 1, 1, 0, 0, 0]], "EOS_None")


@check("5.6", says="a position's 0 and CONTI give no words; incomplete rows are counted", weight=2)
def test_back_broken(student):
    rows = [[0, 1, 3, 1, 0, 0, 0], [1, 0, 4, 1, 0, 0, 0], [2, 2, 0, 1, 0, 0, 0]]
    lacking = [[0, 0, 0, 2, *triple] for triple in ((0, 5, 21), (61, 0, 21), (61, 5, 0))]
    assert_words_of_rows(student, [*rows, *lacking], "Beat_1 Beat_2", broken=4)


@check("5.6", says="EtudeError for an id outside its field's vocabulary")
def test_back_unknown(student):
    for row in ([67, 0, 1, 1, 0, 0, 0], [0, 0, 0, 3, 1, 1, 1], [0, 0, 0, 2, -1, 1, 1]):
        assert_raises_etude(student.build, "rows_to_words", np.array([row]))
