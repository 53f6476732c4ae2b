"""Tasks 2.14 to 2.18: the loss, two measures of what was said, greedy decoding, beam search."""

import numpy as np

from grading.checks import losses
from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_equal,
    assert_holds,
    assert_raises,
    check,
    int32,
    naming,
)
from grading.checks.networks import NEVER
from grading.lab2.beams import (
    Script,
    assert_found,
    num_calls,
    rows_of_beams,
    some_digits,
    steps_of,
)

# Task 2.14: the loss. It is compared at float32's accuracy, as assert_close does unless told.


@check("2.14", says="a float32 scalar, whatever the targets' dtype")
def test_loss_contract(student, rng):
    losses.assert_float32_scalar(student.masked_cross_entropy, *losses.ragged(rng))


@check("2.14", says="nats per token, whichever row a token is in", weight=3)
def test_loss_values(student, solution, rng):
    losses.assert_values(student.masked_cross_entropy, solution.masked_cross_entropy, rng)


@check("2.14", says="logits at padding make no difference; 0 if all is padding", weight=2)
def test_loss_padding(student, rng):
    losses.assert_padding_ignored(student.masked_cross_entropy, rng)


@check("2.14", says="Keras can train with it: its gradient", weight=2)
def test_loss_gradient(student, solution, rng):
    losses.assert_gradient(student, solution, "masked_cross_entropy", rng)


# Tasks 2.15 and 2.16: accuracy and exact match

TARGETS = np.array([[5, 6, 2, 0, 0], [7, 2, 0, 0, 0], [3, 4, 5, 6, 2], [0, 0, 0, 0, 0]])


def scalar(share) -> np.ndarray:
    """Demand a float32 scalar."""
    share = assert_array(share, (), "f")
    assert_equal(share.dtype.name, "float32")
    return share


def assert_share(function, targets: np.ndarray, predictions: np.ndarray, want: float) -> None:
    """Demand a share."""
    assert_close(scalar(function(targets, predictions)), np.array(float(want)))


def changed(*places: tuple[int, int]) -> np.ndarray:
    """Give predictions that differ from TARGETS at some places."""
    predictions = TARGETS.copy()
    for place in places:
        predictions[place] = 9
    return predictions


@check("2.15", says="a float32 scalar, whatever the ids' dtype; 1 if all is right, 0 if nothing is")
def test_accuracy_contract(student):
    for dtype in ("int32", "int64", "float32"):
        assert_share(student.token_accuracy, TARGETS.astype(dtype), TARGETS.astype("int32"), 1)
        assert_share(student.token_accuracy, TARGETS, (TARGETS + 1).astype(dtype), 0)


@check("2.15", says="the share of tokens, END among them, whichever row they are in", weight=3)
def test_accuracy_values(student):
    assert_share(student.token_accuracy, TARGETS, changed((0, 1), (2, 4)), 8 / 10)
    assert_share(student.token_accuracy, TARGETS, changed((1, 0), (1, 1)), 8 / 10)
    assert_share(student.token_accuracy, TARGETS[:1, 2:], TARGETS[:1, 2:], 1)  # of one token


@check("2.15", says="what is predicted at padding does not count; 0 if all is padding", weight=2)
def test_accuracy_padding(student):
    predictions = changed((0, 0), (0, 3), (1, 4), (3, 0), (3, 1))
    assert_share(student.token_accuracy, TARGETS, predictions, 9 / 10)
    assert_share(student.token_accuracy, TARGETS, np.where(TARGETS == 5, 0, TARGETS), 8 / 10)
    assert_share(student.token_accuracy, 0 * TARGETS, 0 * TARGETS, 0)


@check("2.16", says="a float32 scalar, whatever the ids' dtype; 1 if all is right, 0 if nothing is")
def test_exact_contract(student):
    for dtype in ("int32", "int64", "float32"):
        assert_share(student.exact_match, TARGETS.astype(dtype), TARGETS.astype("int32"), 1)
        assert_share(student.exact_match, TARGETS, (TARGETS + 1).astype(dtype), 0)


@check("2.16", says="the share of rows in which every token is right", weight=3)
def test_exact_values(student):
    assert_share(student.exact_match, TARGETS, changed((0, 1)), 2 / 3)
    assert_share(student.exact_match, TARGETS, changed((0, 0), (0, 1), (2, 4)), 1 / 3)
    assert_share(student.exact_match, TARGETS[:3], changed((1, 1))[:3], 2 / 3)
    assert_share(student.exact_match, TARGETS[2:], TARGETS[2:], 1)  # of one row


@check("2.16", says="what is predicted after END makes no difference; 0 without rows", weight=2)
def test_exact_padding(student):
    predictions = changed((0, 3), (0, 4), (1, 2), (3, 0))
    assert_share(student.exact_match, TARGETS, predictions, 1)
    predictions[2, 0] = 0
    assert_share(student.exact_match, TARGETS, predictions, 2 / 3)
    assert_share(student.exact_match, 0 * TARGETS, TARGETS, 0)


# Task 2.17: greedy decoding. Encoder and stepper are not networks but a script
# (grading/lab2/beams.py): the logits are a row of a table, and which row depends on the digits and
# on every id that was fed, as long as the stepper gets its own states back.


def written(code, script, digits, max_length):
    """Write by a script."""
    return code.greedy_decode(*script.networks(code), digits, max_length)


@check("2.17", says="int32 ids (batch, max_length)")
def test_greedy_contract(student, rng):
    networks = Script(rng, 7, NEVER).networks(student)
    for batch, max_length in ((1, 4), (3, 1), (2, 6)):
        digits = some_digits(rng, batch, 5)
        ids = int32(student.greedy_decode(*networks, digits, max_length), (batch, max_length))
        assert_holds(((ids >= 0) & (ids < 7)).all(), f"expected ids 0 … 6, got {ids}")


@check("2.17", says="the likeliest id at each step, fed with the states that came back", weight=3)
def test_greedy_values(student, solution, rng):
    for vocab_size in (5, 9):
        script, digits = Script(rng, vocab_size, NEVER), some_digits(rng, 4, 5)
        got, want = (written(code, script, digits, 8) for code in (student, solution))
        assert_equal(got, want)


@check("2.17", says="a row ends with its END, PAD after that; the others go on", weight=2)
def test_greedy_end(student, solution, rng):
    script, digits = Script(rng, 7, 1.5), some_digits(rng, 12, 5)
    got, want = (written(code, script, digits, 9) for code in (student, solution))
    assert_equal(got, want)


@check("2.17", says="among equal logits the lowest id; it stops when all rows are done")
def test_greedy_stops(student, solution, rng):
    script, digits = Script(rng, 7, NEVER, whole=True), some_digits(rng, 3, 5)
    script.table[:, 4] = script.table.max(axis=1)
    got, want = (written(code, script, digits, 8) for code in (student, solution))
    assert_equal(got, want)
    while not 1 < (steps := steps_of(written(solution, script, digits, 8))) < 6:
        script = Script(rng, 7, 3.0)
    encoder, stepper = script.networks(student)
    int32(student.greedy_decode(encoder, stepper, digits, 30), (3, 30))
    calls = num_calls(student, stepper)
    assert_holds(
        1 <= calls <= steps, f"{calls} calls of the stepper; after {steps} all rows are done"
    )


@check("2.17", says="it works inside a compiled function", weight=2)
def test_greedy_compiled(student, solution, rng):
    script, digits = Script(rng, 7, 1.5), some_digits(rng, 6, 5)
    got = student.build("greedy_compiled", *script.networks(student), digits, 7)
    assert_equal(got, written(solution, script, digits, 7))


# Task 2.18: beam search, with the same script. In none of those drawn here is a beam kept or
# dropped by a rounding (tests/grading/test_grading.py).


def searched(code, script, digits, max_length, width):
    """Search by a script, the rows of digits together."""
    return code.beam_search(*script.networks(code), digits, max_length, width)


def assert_searched(student, solution, script, digits, *sizes):
    """Demand what the solution finds."""
    rows = rows_of_beams(searched(student, script, digits, *sizes), len(digits), sizes[1])
    wanted = searched(solution, script, digits, *sizes)
    for row, (found, number, want) in enumerate(zip(rows, digits, wanted, strict=True)):
        with naming(f"row {row}"):
            assert_found(found, script, number, want)


@check("2.18", says="lists of (ids, score), the best first, all different; beam_width from 1")
def test_beam_contract(student, rng):
    script = Script(rng, 6, 0.0)
    for batch, width in ((2, 1), (1, 4), (3, 3)):
        digits = some_digits(rng, batch, 5)
        rows_of_beams(searched(student, script, digits, 4, width), batch, width)
    for width in (0, -1):
        assert_raises(ValueError, searched, student, script, digits, 4, width)


@check("2.18", says="a beam of one generates what greedy decoding does")
def test_beam_greedy(student, solution, rng):
    assert_searched(student, solution, Script(rng, 6, 1.0), some_digits(rng, 4, 5), 6, 1)


@check("2.18", says="the likeliest beginnings are kept, each with its own states", weight=3)
def test_beam_values(student, solution, rng):
    cases = ((6, NEVER, (5, 3)), (5, 0.0, (6, 4)), (7, 2.0, (4, 2)), (6, 1.0, (4, 3)))
    for (vocab_size, end, sizes), larger in zip(cases, (0, 0, 0, 1000), strict=True):
        script = Script(rng, vocab_size, end)
        script.table += larger
        assert_searched(student, solution, script, some_digits(rng, 3, 5), *sizes)


@check("2.18", says="with enough beams it finds all sequences", weight=2)
def test_beam_exhaustive(student, solution, rng):
    # 1 + 3 + 9 with END and 27 without: fewer than the beams
    assert_searched(student, solution, Script(rng, 4, 0.0), some_digits(rng, 2, 5), 3, 50)


@check("2.18", says="one call a step for all beginnings; it stops when all kept are finished")
def test_beam_calls(student, solution, rng):
    script, digits = Script(rng, 6, NEVER), some_digits(rng, 4, 5)
    encoder, stepper = script.networks(student)
    rows_of_beams(student.beam_search(encoder, stepper, digits, 5, 3), 4, 3)
    calls = num_calls(student, stepper)
    assert_holds(1 <= calls <= 5, f"the stepper was called {calls} times in 5 steps")
    steps = 0
    while not 1 < steps < 6:
        script = Script(rng, 6, 4.0)
        (found,) = searched(solution, script, digits[:1], 20, 2)
        steps = max(len(ids) for ids, _ in found)
    encoder, stepper = script.networks(student)
    rows_of_beams(student.beam_search(encoder, stepper, digits[:1], 20, 2), 1, 2)
    calls = num_calls(student, stepper)
    assert_holds(
        1 <= calls <= steps, f"{calls} calls of the stepper; after {steps} all kept are finished"
    )
