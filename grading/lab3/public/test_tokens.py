"""Tasks 3.1 to 3.4: music to tokens and back, vocabulary, windows."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_each,
    assert_equal,
    assert_holds,
    assert_raises,
    check,
    naming,
)
from grading.lab3.scores import WINDOWS, assert_heard, heard, labelled, score, three_arrays, words

# Task 3.1: from a score to tokens; scores are spelled as grading/lab3/scores.py says


@check("3.1", says="notes and rests with their lengths as fractions", weight=2)
def test_score_melody(student):
    tokens = student.score_to_tokens(score("60:3/2 62:1/2 r:1 64:1 | 65:1/3 67:1/3 69:1/3 71:3"))
    first = words("NOTE_60 DUR_3/2 NOTE_62 DUR_1/2 REST DUR_1 NOTE_64 DUR_1")
    triplet = words("NOTE_65 DUR_1/3 NOTE_67 DUR_1/3 NOTE_69 DUR_1/3")
    assert_equal(tokens, [*first, *triplet, "NOTE_71", "DUR_3"])


@check("3.1", says="pitches ascend, each once; held notes are struck again", weight=3)
def test_score_slices(student, solution):
    chords = score("67+60+64:2 65:2")
    held = score("72:1 74:1 76:2", "60:2 62:2", "48:4")
    unison = score("60:2 64:2", "60:1 55:3")
    voices = score("72:1 74:3 & 60:2 r:1 59:1 | 76:4")
    for given in (chords, held, unison, voices):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="ties are merged within a part", weight=3)
def test_score_ties(student, solution):
    over_the_barline = score("60:3 62~:1 | ~62:2 64:2")
    through_a_measure = score("60:3 62~:1 | ~62~:4 | ~62:1 64:3")
    in_a_chord = score("60~+64:4 | ~60+64:2 60+64:2")
    struck_again = score("60:3 60~:1 | ~60:2 60:2")
    another_part = score("60~:2 r:2", "r:2 ~60:2")
    for given in (over_the_barline, through_a_measure, in_a_chord, struck_again, another_part):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="silence at the beginning is a REST, at the end it is left out", weight=2)
def test_score_silence(student, solution):
    for given in (score("r:2 60:2 | r:4", "r:1 r:2 48:1"), score("r:4 | r:4")):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="grace notes and unpitched notes are left out", weight=2)
def test_score_left_out(student, solution):
    grace = score("60:2 64+65:g 62:2", "48:4 & r:1 50:g r:3")
    drums = score("60:2 62:2", "x:1/2 x:1/2 x+x:3")
    for given in (grace, drums):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="a chorale by Bach", weight=2)
def test_score_chorale(student, solution):
    text = solution.build("chorale", "bach/bwv66.6", 0, 4)
    chorale = labelled(text, 'measures(0, 4) of corpus.parse("bach/bwv66.6")')
    assert_equal(student.score_to_tokens(chorale), solution.score_to_tokens(chorale))


# Task 3.2: from tokens to a score; what sounds is compared as (onset, length, pitches)


@check("3.2", says="one note after another, chords and rests, in one part", weight=3)
def test_back_events(student, reader):
    tokens = words("NOTE_60 DUR_1 NOTE_62 DUR_1/2 REST DUR_1/2 NOTE_48 NOTE_55 NOTE_64 DUR_3/2")
    got = student.tokens_to_score(tokens)
    want = [("0", "1", [60]), ("1", "1/2", [62]), ("2", "3/2", [48, 55, 64])]
    assert_heard(reader, got, want)
    parts = reader.build("num_parts", got)
    assert_holds(parts == 1, f"expected 1 part, got {parts}")


@check("3.2", says="score_to_tokens of the score gives the tokens again", weight=2)
def test_back_round_trip(student, solution, reader):
    silence_first = words("REST DUR_1 NOTE_60 DUR_1/3 NOTE_60 DUR_1/3 NOTE_60 NOTE_61 DUR_1/3")
    long = words("NOTE_36 NOTE_127 DUR_6 NOTE_36 DUR_2/3 REST DUR_5 NOTE_62 DUR_3/4")
    # asked before anything of the student's is heard, the solution answers every class alike
    wanted = [heard(reader, solution.tokens_to_score(tokens)) for tokens in (silence_first, long)]
    for tokens, want in zip((silence_first, long), wanted, strict=True):
        assert_heard(reader, student.tokens_to_score(tokens), want)


@check("3.2", says="ill-formed stretches have their stated meaning", weight=3)
def test_back_ill_formed(student, solution, reader):
    specials = words("START NOTE_60 PAD NOTE_64 UNKNOWN DUR_1 END NOTE_62 DUR_1")
    any_order = words("NOTE_64 NOTE_60 NOTE_64 DUR_1 NOTE_67 NOTE_67 DUR_1")
    rest_and_pitch = words("REST NOTE_60 DUR_1 NOTE_62 REST DUR_2")
    length_first = words("DUR_2 NOTE_60 DUR_1 DUR_3 NOTE_62 DUR_1")
    no_length = words("NOTE_60 DUR_1 NOTE_62 REST")
    nothing: list[str] = []
    cases = (specials, any_order, rest_and_pitch, length_first, no_length, nothing)
    # asked before anything of the student's is heard, the solution answers every class alike
    wanted = [heard(reader, solution.tokens_to_score(tokens)) for tokens in cases]
    for tokens, want in zip(cases, wanted, strict=True):
        assert_heard(reader, student.tokens_to_score(tokens), want)


@check("3.2", says="a token of no known spelling raises ValueError")
def test_back_unknown_spelling(student):
    for token in ("NOTE_high", "NOTE_128", "DUR_0", "DUR_long", "TEMPO_120", "60", ""):
        assert_raises(ValueError, student.tokens_to_score, ["NOTE_60", "DUR_1", token])


# Task 3.3: the vocabulary


@check("3.3", says="the specials come first, then tokens by falling count", weight=3)
def test_vocabulary_order(student, solution):
    pieces = [["b", "a", "b"], ["c", "b", "a"]]
    assert_equal(student.build_vocabulary(pieces), ["PAD", "START", "END", "UNKNOWN", *"bac"])
    pieces = [words("DUR_1 REST DUR_1"), words("NOTE_60 DUR_1 NOTE_60")]
    assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


@check("3.3", says="equal counts are in alphabetical order", weight=2)
def test_vocabulary_ties(student, solution):
    pieces = [words("NOTE_62 REST NOTE_9"), words("DUR_1 NOTE_62 NOTE_100 DUR_1/2")]
    assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


@check("3.3", says="tokens rarer than the minimum count are left out", weight=2)
def test_vocabulary_minimum(student, solution):
    pieces = [["b", "a", "b"], ["c", "b", "a"]]
    for min_count in (1, 2, 3, 4):
        got = student.build_vocabulary(pieces, min_count)
        assert_equal(got, solution.build_vocabulary(pieces, min_count))


@check("3.3", says="each token once, even if a piece contains a special's name")
def test_vocabulary_specials(student, solution):
    for pieces in ([["START", "b", "a", "END"], ["START", "b", "END"]], []):
        assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


# Task 3.4: windows; ids 1 and 2 are START and END


@check("3.4", says="three arrays (windows, length): int32, int32 and bool")
def test_windows_contract(student):
    for pieces, count in (([[5, 6, 7]], 1), ([[5, 6, 7], [8, 9, 10, 11]], 3), ([], 0)):
        arrays = three_arrays(student.make_windows(pieces, 4, 4))
        for part, array, dtype in zip(WINDOWS, arrays, ("int32", "int32", "bool"), strict=True):
            with naming(part):
                array = assert_array(array, (count, 4), dtype[0])
                assert_holds(array.dtype == dtype, f"expected dtype {dtype}, got {array.dtype}")


@check("3.4", says="targets are the inputs shifted by one", weight=2)
def test_windows_shift(student):
    got = three_arrays(student.make_windows([[5, 6, 7]], 4, 4))[:2]
    want = np.array([[1, 5, 6, 7]]), np.array([[5, 6, 7, 2]])
    assert_each(WINDOWS[:2], got, want, assert_equal)


@check("3.4", says="windows begin every stride; the last is filled on the right", weight=3)
def test_windows_stride(student, solution):
    for size, length, stride in (
        (4, 3, 3),
        (4, 3, 2),
        (7, 4, 1),
        (7, 5, 4),
        (2, 6, 2),
        (5, 2, 2),
        (1, 1, 1),
    ):
        pieces = [list(range(10, 10 + size))]
        got = three_arrays(student.make_windows(pieces, length, stride))
        want = solution.make_windows(pieces, length, stride)
        assert_each(WINDOWS[:2], got[:2], want[:2], assert_equal)


@check("3.4", says="a window never holds tokens of two pieces", weight=2)
def test_windows_pieces(student, solution):
    pieces = [[11, 12, 13, 14], [], [21], [31, 32, 33, 34, 35]]
    got = three_arrays(student.make_windows(pieces, 4, 2))
    want = solution.make_windows(pieces, 4, 2)
    assert_each(WINDOWS[:2], got[:2], want[:2], assert_equal)


@check("3.4", says="the mask is False at padding", weight=2)
def test_windows_mask(student, solution):
    pieces = [[5, 6, 7, 8], [9], [10, 11, 12]]
    got = three_arrays(student.make_windows(pieces, 4, 3))
    with naming("mask"):
        assert_equal(got[2], solution.make_windows(pieces, 4, 3)[2])


@check("3.4", says="an impossible length or stride raises ValueError")
def test_windows_errors(student):
    for length, stride in ((0, 1), (-1, 1), (4, 0), (4, -2), (4, 5)):
        assert_raises(ValueError, student.make_windows, [[5, 6, 7]], length, stride)
