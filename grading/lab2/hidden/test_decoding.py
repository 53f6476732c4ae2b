"""Tasks 2.14 to 2.18: the loss, two measures of what was said, greedy decoding, beam search."""

import numpy as np

from grading.checks import hidden
from grading.checks.assertions import assert_close, assert_equal, assert_holds, check, int32
from grading.lab2.beams import END, Script, assert_found, rows_of_beams, some_digits
from grading.lab2.hidden.oracles import decided, goes_on, greedy, search

# Task 2.14: the loss


@check("2.14", says="every token counts the same, wherever it stands", weight=2, hidden=True)
def test_loss_random(student, rng):
    hidden.assert_any_loss(student.masked_cross_entropy, rng)


@check("2.14", says="no overflow at ±1e4", weight=2, hidden=True)
def test_loss_large(student, rng):
    hidden.assert_no_overflow(student.masked_cross_entropy, rng)


@check("2.14", says="padding changes neither value nor gradient", weight=2, hidden=True)
def test_loss_hidden_gradient(student, rng):
    targets, logits = hidden.any_ragged(rng, 2)
    for size in (1.0, 1e4):
        hidden.assert_gradient_despite(size, student, "masked_cross_entropy", targets, logits)


# Tasks 2.15 and 2.16: accuracy and exact match


def said(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw targets that end with END, one row of padding alone, and predictions mostly right."""
    batch, length = int(rng.integers(8, 14)), int(rng.integers(5, 9))
    targets = rng.integers(3, 9, (batch, length))
    ends = np.r_[0, rng.integers(0, length, batch - 1)]
    targets[np.arange(batch), ends] = 2
    targets[np.arange(length) > ends[:, None]] = 0
    targets[rng.integers(batch)] = 0
    predictions = np.where(rng.random(targets.shape) < 0.15, 9, targets)
    return targets, np.where(targets == 0, rng.integers(0, 9, targets.shape), predictions)


@check("2.15", says="right tokens of all tokens, END among them", weight=2, hidden=True)
def test_accuracy_random(student, rng):
    for _ in range(3):
        targets, predictions = said(rng)
        want = (targets == predictions)[targets != 0].mean()
        assert_close(student.token_accuracy(targets, predictions), np.array(float(want)))


@check("2.15", says="every token counts the same", hidden=True)
def test_accuracy_rows(student, rng):
    length = int(rng.integers(5, 12))
    targets = np.zeros((2, length), np.int64)
    targets[0], targets[1, 0] = rng.integers(3, 6, length), 2
    predictions = targets + np.array([[1], [0]])  # right in a row of one token only
    want = np.array(1 / (length + 1))
    assert_close(student.token_accuracy(targets.astype("f4"), predictions), want)


@check("2.16", says="rows that are right up to END, of all rows with tokens", hidden=True)
def test_exact_random(student, rng):
    for _ in range(3):
        targets, predictions = said(rng)
        is_row = (targets != 0).any(axis=1)
        right = ((targets == predictions) | (targets == 0)).all(axis=1)
        want = np.array(right[is_row].mean())
        assert_close(student.exact_match(targets, predictions), want)


@check("2.16", says="what is predicted after END makes no difference", hidden=True)
def test_exact_after_end(student, rng):
    targets, _ = said(rng)
    for other, tokens in ((1, targets == 2), (2, targets != 0), (8, targets != 0)):
        predictions = np.where(targets == 0, other, targets)
        assert_close(student.exact_match(targets, predictions), np.array(1.0))
        place = tuple(rng.permutation(np.argwhere(tokens))[0])
        predictions[place] = 9  # a wrong token, END too, makes the row wrong
        want = np.array(1 - 1 / (targets != 0).any(axis=1).sum())
        assert_close(student.exact_match(targets, predictions), want)


# Task 2.17: greedy decoding, with the script of the public checks


def lasting(
    rng: np.random.Generator,
    vocab_size: int,
    end: float,
    digits: np.ndarray,
    max_length: int,
    whole: bool = False,
) -> Script:
    """Draw a script in which the last step writes a token."""
    while True:
        script = Script(rng, vocab_size, end, whole)
        if greedy(script, digits, max_length)[:, -1].any():
            return script


@check(
    "2.17",
    says="the generated ids, for any digits; among equals the lowest id",
    weight=2,
    hidden=True,
)
def test_greedy_random(student, rng):
    digits, vocab_size = some_digits(rng, 8, 6), int(rng.integers(5, 9))
    max_length = int(rng.integers(5, 12))
    scripts = [
        lasting(rng, vocab_size, -2.0, digits, max_length, whole=True),
        Script(rng, vocab_size, 3.0, whole=True),
    ]
    for script in scripts:
        got = student.greedy_decode(*script.networks(student), digits, max_length)
        assert_equal(got, greedy(script, digits, max_length))


@check("2.17", says="a row's result depends on that row alone", hidden=True)
def test_greedy_rows(student, rng):
    while True:  # until a row goes on where another has ended
        script, digits = Script(rng, 7, 1.5), some_digits(rng, 8, 6)
        script.table[:, 0] = -99  # what is written is never PAD
        ends = greedy(script, digits, 8) == END
        steps = np.where(ends.any(axis=1), ends.argmax(axis=1), 8)
        if steps.min() < steps.max():
            break
    networks = script.networks(student)
    together = int32(student.greedy_decode(*networks, digits, 8), (8, 8))
    assert_holds(together[:, 0].all(), "PAD was written")
    for row in (steps.argmin(), steps.argmax(), rng.integers(8)):
        alone = student.greedy_decode(*networks, digits[row : row + 1], 8)
        assert_equal(alone, together[row : row + 1])


@check("2.17", says="compiled to one program, it generates the same", hidden=True)
def test_greedy_program(student, rng):
    digits = some_digits(rng, 5, 4)
    script = lasting(rng, 6, 1.0, digits, 9)
    got = student.build("greedy_compiled", *script.networks(student), digits, 9)
    assert_equal(got, greedy(script, digits, 9))


# Task 2.18: beam search


@check("2.18", says="what is kept, and its scores, for any width", weight=3, hidden=True)
def test_beam_random(student, rng):
    for end in (-1.0, 1.0, 3.0):
        while True:  # with the last one until the best beginnings end before others
            digits, vocab_size = some_digits(rng, 3, 6), int(rng.integers(5, 9))
            sizes = (int(rng.integers(4, 8)), int(rng.integers(2, 6)))
            script = decided(rng, vocab_size, end, digits, sizes)
            if end < 3 or goes_on(script, digits, *sizes):
                break
        results = student.beam_search(*script.networks(student), digits, *sizes)
        for row, number in zip(rows_of_beams(results, 3, sizes[1]), digits, strict=True):
            assert_found(row, script, number, search(script, number, *sizes)[0])


@check("2.18", says="with enough beams it is an exhaustive search", hidden=True)
def test_beam_all(student, rng):
    vocab_size, max_length = (int(n) for n in rng.permutation([3, 4]))
    digits, script = some_digits(rng, 2, 6), Script(rng, vocab_size, 0.5)
    while not goes_on(script, digits, max_length, 64):
        script = Script(rng, vocab_size, 0.5)
    results = student.beam_search(*script.networks(student), digits, max_length, 64)
    for row, number in zip(rows_of_beams(results, 2, 64), digits, strict=True):
        assert_found(row, script, number, search(script, number, max_length, 64)[0])


@check("2.18", says="finished beginnings stay as they are, with their score", hidden=True)
def test_beam_finished(student, rng):
    digits, sizes = some_digits(rng, 3, 6), (7, 3)
    while True:  # until the best end early and another goes on to the end
        script = decided(rng, 6, 1.5, digits, sizes)
        lengths = [len(ids) for n in digits for ids, _ in search(script, n, *sizes)[0]]
        if min(lengths) <= 2 and max(lengths) == 7 and goes_on(script, digits, *sizes):
            break
    results = student.beam_search(*script.networks(student), digits, *sizes)
    for row, number in zip(rows_of_beams(results, 3, 3), digits, strict=True):
        found = search(script, number, *sizes)[0]
        assert_found(row, script, number, found)
        lengths = sorted(len(ids) for ids, _ in found)
        assert_holds(sorted(len(ids) for ids, _ in row) == lengths, "other lengths")
