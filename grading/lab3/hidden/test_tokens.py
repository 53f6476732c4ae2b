"""Tasks 3.1 to 3.4: music to tokens and back, vocabulary, windows."""

import numpy as np

from grading.checks.assertions import assert_array, assert_equal, assert_holds, check
from grading.lab3.hidden.random_scores import encode_events, random_score, random_tokens
from grading.lab3.scores import heard, score, three_arrays, words

CHORALES = ("bwv10.7", "bwv174.5", "bwv255", "bwv269", "bwv302", "bwv347")

# Task 3.1: from a score to tokens


@check("3.1", says="every slice names what sounds in it", weight=3, hidden=True)
def test_score_random(student, solution, rng):
    for num_parts in (1, 1, 2, 3) * 5:  # a tie is heard only where no other note begins or ends
        given = random_score(rng, num_parts, num_measures=4)
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="a tied note prolongs the one that ends where it begins", weight=2, hidden=True)
def test_score_odd_ties(student, solution, rng):
    low, high = (int(pitch) for pitch in np.sort(rng.choice(range(48, 72), 2, replace=False)))
    other_voice = score(f"{low}~:4 & {high}:2 r:2 | r:2 {high}:2 & ~{low}:4")
    other_part = score(f"{low}~:4 | r:4", f"r:4 | ~{low}:4")
    nothing_before = score(f"r:2 ~{low}:2 | {high}:2 ~{low}:1 {high}:1")
    after_a_rest = score(f"{low}~:2 r:1 ~{low}:1")
    nothing_after = score(f"{low}~+{high}:2 {high}:2 | {low}:4")
    for given in (other_voice, other_part, nothing_before, after_a_rest, nothing_after):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="what is left out does not make a cut", hidden=True)
def test_score_no_cut(student, solution, rng):
    pitch = int(rng.integers(48, 72))
    grace = score(f"{pitch}:4 & r:1 {pitch + 5}:g {pitch + 7}+{pitch + 9}:g r:3", "r:2 r:2")
    drums = score(f"r:4 | r:1 {pitch}:3", "x:1/3 x:2/3 r:1 x+x:2 | r:2 x:2 | x:4")
    rests = score(f"{pitch}:4 | r:4 | {pitch}:4", "r:1 r:3 | r:3 r:1 | r:2 r:2")
    for given in (grace, drums, rests):
        assert_equal(student.score_to_tokens(given), solution.score_to_tokens(given))


@check("3.1", says="a chorale by Bach, transposed", weight=2, hidden=True)
def test_score_transposed(student, solution, rng):
    name = CHORALES[rng.integers(len(CHORALES))]
    chorale = solution.build("chorale", f"bach/{name}", 0, 8, int(rng.integers(-5, 7)))
    assert_equal(student.score_to_tokens(chorale), solution.score_to_tokens(chorale))


# Task 3.2: from tokens to a score


@check("3.2", says="score_to_tokens of the score gives the tokens again", weight=2, hidden=True)
def test_back_random(student, reader, rng):
    tokens = random_tokens(rng, 30)
    assert_equal(encode_events(heard(reader, student.tokens_to_score(tokens))), tokens)


@check("3.2", says="ill-formed stretches have their stated meaning", weight=2, hidden=True)
def test_back_soup(student, solution, reader, rng):
    pool = words("NOTE_60 NOTE_60 NOTE_64 NOTE_67 REST DUR_1 DUR_1/2 DUR_2")
    for _ in range(2):
        tokens = [pool[index] for index in rng.integers(len(pool), size=60)]
        tokens += words("NOTE_60 DUR_1 REST DUR_2 NOTE_60 DUR_1 NOTE_64")
        got = heard(reader, student.tokens_to_score(tokens))
        assert_equal(got, heard(reader, solution.tokens_to_score(tokens)))


@check("3.2", says="specials are skipped as if they were not there", hidden=True)
def test_back_specials(student, solution, reader, rng):
    tokens = [*words("NOTE_60 DUR_1/3 REST DUR_2/3"), *random_tokens(rng, 10)]
    for special in ("PAD", "START", "END", "UNKNOWN"):
        for place in rng.integers(len(tokens) + 1, size=3):
            tokens.insert(int(place), special)
    got = heard(reader, student.tokens_to_score(tokens))
    assert_equal(got, heard(reader, solution.tokens_to_score(tokens)))


# Task 3.3: the vocabulary


def random_pieces(rng: np.random.Generator, extra: tuple[str, ...] = ()) -> list[list[str]]:
    """Draw pieces in which many tokens come equally often, and one comes once."""
    pool = [*(f"NOTE_{pitch}" for pitch in range(90, 110)), "REST", "DUR_1", "DUR_1/2", *extra]
    return [["NOTE_1"], *(rng.choice(pool, int(rng.integers(1, 30))).tolist() for _ in range(6))]


@check("3.3", says="by falling count, equal counts in alphabetical order", weight=2, hidden=True)
def test_vocabulary_random(student, solution, rng):
    for _ in range(3):
        pieces = random_pieces(rng)
        assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


@check("3.3", says="exactly the minimum count in all pieces together stays", hidden=True)
def test_vocabulary_random_minimum(student, solution, rng):
    for min_count in (2, 3, 5):
        pieces = random_pieces(rng)
        got = student.build_vocabulary(pieces, min_count)
        assert_equal(got, solution.build_vocabulary(pieces, min_count))


@check("3.3", says="each token once, even if a piece contains a special's name", hidden=True)
def test_vocabulary_random_specials(student, solution, rng):
    pieces = random_pieces(rng, ("PAD", "START", "END", "UNKNOWN"))
    assert_equal(student.build_vocabulary(pieces), solution.build_vocabulary(pieces))


# Task 3.4: windows


def random_ids(rng: np.random.Generator, num_pieces: int) -> list[list[int]]:
    """Draw pieces of 0 to 40 ids, one of them empty."""
    sizes = rng.permutation([0, *rng.integers(0, 41, num_pieces - 1)])
    return [rng.integers(4, 200, size=size).tolist() for size in sizes]


@check("3.4", says="inputs and targets, for any length and stride", weight=2, hidden=True)
def test_windows_random(student, solution, rng):
    for _ in range(5):
        length = int(rng.integers(2, 12))
        stride = int(rng.integers(1, length + 1))
        pieces = random_ids(rng, 8)
        got = three_arrays(student.make_windows(pieces, length, stride))
        want = solution.make_windows(pieces, length, stride)
        assert_equal(got[0], want[0])
        assert_equal(got[1], want[1])


@check("3.4", says="with stride == length every token is a target exactly once", hidden=True)
def test_windows_once(student, rng):
    pieces = random_ids(rng, 12)
    framed = [id for piece in pieces for id in [*piece, 2]]
    for length in (1, 7, 16):
        inputs, targets, _ = three_arrays(student.make_windows(pieces, length, length))
        inputs = assert_array(inputs, (None, length), "iu")
        targets = assert_array(targets, inputs.shape, "iu")
        assert_holds(targets[targets != 0].tolist() == framed, "a token is missing or comes twice")
        once = (inputs == 1).sum() == len(pieces)
        assert_holds(once, "START is missing or comes twice")


@check("3.4", says="the mask is True at tokens, False at padding", weight=2, hidden=True)
def test_windows_random_mask(student, solution, rng):
    pieces = [*random_ids(rng, 8), rng.integers(4, 200, 8).tolist()]  # and one that fills a window
    for length, stride in ((9, 9), (12, 5)):
        got = three_arrays(student.make_windows(pieces, length, stride))
        assert_equal(got[2], solution.make_windows(pieces, length, stride)[2])
