"""Tasks 3.5 to 3.9: the network, its loss and accuracy, sampling, generation."""

import math

import numpy as np

from grading.checks import losses
from grading.checks.assertions import (
    as_text,
    assert_array,
    assert_close,
    assert_each,
    assert_frequencies,
    assert_holds,
    assert_parts,
    assert_raises,
    assert_same_after,
    check,
    naming,
)
from grading.checks.networks import (
    NEVER,
    assert_changed,
    assert_same_in_steps,
    by_layer,
    randomize,
    randomize_both,
)
from grading.checks.sampling import DRAWS, assert_ids, assert_repeats, counts, rows_of
from grading.lab3.networks import (
    END,
    LAYER,
    LIKELY,
    assert_kept,
    assert_rows,
    assert_rows_ids,
    continuations,
    networks,
    steps_from_zeros,
)

# Task 3.5: the network. The same sums in another order differ by some tens of float32 roundings
# of 6e-8, on logits of about 1: hence 1e-5 where two ways to the same logits are compared.


@check("3.5", says="shapes, names and states as stated")
def test_network_contract(student):
    model, stepper = networks(student, 11, 5, 6, 2, 0.2)
    layers = {key[0] for key in by_layer(model, LAYER)}
    wanted = {"embedding", "lstm_0", "lstm_1", "logits"}
    assert_holds(layers == wanted, f"expected layers {sorted(wanted)}, got {sorted(layers)}")
    for length in (1, 3):
        assert_array(model(np.ones((3, length), np.int32)), (3, length, 11), "f")
    inputs = [shape[1:] for shape in stepper.describe()["inputs"]]
    want = [[1], *[[6]] * 4]
    assert_holds(inputs == want, f"the stepper's inputs should be {want}, got {inputs}")
    steps_from_zeros(stepper, np.ones((3, 2), np.int32), 6, 2)


@check("3.5", says="Embedding, LSTM layers, Dense logits without a softmax", weight=3)
def test_network_logits(student, solution, rng):
    sizes = (11, 5, 6, 1, 0.5)
    model, same = networks(student, *sizes)[0], networks(solution, *sizes)[0]
    randomize_both(model, same, LAYER, rng)
    ids = rng.integers(0, 11, (4, 4))  # 0, padding, is an id like any other
    assert_close(model(ids), same(ids), atol=1e-5)


@check("3.5", says="a position's logits depend on that and earlier ids only")
def test_network_causality(student, rng):
    model, _ = networks(student, 11, 5, 6, 2, 0.0)
    randomize(model, rng)
    ids = rng.integers(0, 11, (4, 5))
    changed = ids.copy()
    changed[:, 2] = (ids[:, 2] + 1) % 11
    logits, after = np.split(assert_array(model(np.r_[ids, changed]), (8, 5, 11), "f"), 2)
    change = "other ids at position 2, for logits before it,"
    assert_same_after(change, after[:, :2], logits[:, :2], atol=1e-5)
    moved = np.abs(after - logits).max(axis=(0, 2)) > 1e-3  # random weights of 0.5: far more
    assert_holds(moved[2], "the logits at a position should depend on the id there")
    assert_holds(moved[4], "the logits at a position should depend on earlier ids")


@check("3.5", says="the stepper gives the model's logits, position by position", weight=3)
def test_network_stepper(student, rng):
    model, stepper = networks(student, 11, 6, 6, 2, 0.5)
    randomize(model, rng)
    ids = rng.integers(0, 11, (4, 3))
    assert_same_in_steps(steps_from_zeros(stepper, ids, 6, 2), model(ids), atol=1e-5)


@check("3.5", says="the stepper's states are h_0, c_0, h_1, c_1, …, in and out")
def test_network_states(student, solution, rng):
    sizes = (11, 5, 6, 2, 0.0)
    (model, stepper), (same, wanted) = networks(student, *sizes), networks(solution, *sizes)
    randomize_both(model, same, LAYER, rng)
    states = [rng.normal(size=(3, 6)).astype("f4") for _ in range(4)]
    got, want = (one(np.array([[4], [0], [9]]), *states) for one in (stepper, wanted))
    names = ("logits", "h_0", "c_0", "h_1", "c_1")
    assert_each(names, assert_parts(got, *names), want, atol=1e-5)


@check("3.5", says="untrained, the loss is near ln V; training changes every weight", weight=2)
def test_network_training(student, solution, rng):
    sizes = (11, 5, 6, 2, 0.2)
    (model, stepper), (wanted, _) = networks(student, *sizes), networks(solution, *sizes)
    ids, targets = np.arange(33).reshape(11, 3) % 11, rng.integers(1, 11, (11, 3))
    # initial weights are small, the logits about 0.1: their squares are what ln V is missed by
    losses.assert_untrained(assert_array(model(ids), (11, 3, 11), "f"), atol=0.1)
    before = by_layer(model, LAYER)
    model.train(ids, targets, steps=1, learning_rate=0.01)
    after, stepped = by_layer(model, LAYER), by_layer(stepper, LAYER)
    assert_changed(before, after, by_layer(wanted, LAYER))
    for key, value in after.items():
        with naming(f"{'/'.join(key)}, which the stepper shares"):
            assert_close(stepped.get(key), value, said=("the trained model has", "the stepper"))


# Task 3.6: the loss. It is compared at float32's accuracy, as assert_close does unless told.


@check("3.6", says="a float32 scalar, whatever the targets' dtype")
def test_loss_contract(student, rng):
    losses.assert_float32_scalar(student.masked_cross_entropy, *losses.ragged(rng))


@check("3.6", says="nats per token, whichever row a token is in", weight=3)
def test_loss_values(student, solution, rng):
    losses.assert_values(student.masked_cross_entropy, solution.masked_cross_entropy, rng)


@check("3.6", says="logits at padding make no difference; 0 if all is padding", weight=2)
def test_loss_padding(student, rng):
    losses.assert_padding_ignored(student.masked_cross_entropy, rng)


@check("3.6", says="Keras can train with it: its gradient", weight=2)
def test_loss_gradient(student, solution, rng):
    losses.assert_gradient(student, solution, "masked_cross_entropy", rng)


# Task 3.7: accuracy


@check("3.7", says="a float32 scalar, whatever the targets' dtype; Keras's metric")
def test_accuracy_contract(student, solution, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_float32_scalar(student.masked_accuracy, targets, logits)
    want = float(solution.masked_accuracy(targets, logits))
    assert_close(student.build("accuracy_metric", targets, logits), np.array(want))


@check("3.7", says="the share of tokens guessed right, whichever row they are in", weight=3)
def test_accuracy_values(student, solution, rng):
    losses.assert_accuracies(student.masked_accuracy, solution.masked_accuracy, rng)


@check("3.7", says="a guess at padding does not count; 0 if all is padding", weight=2)
def test_accuracy_padding(student, solution, rng):
    targets, logits = losses.ragged(rng)
    losses.assert_depends(student.masked_accuracy, targets, logits)
    share = solution.masked_accuracy(targets, logits)
    for guess in (0, 3):  # at padding: right, if PAD counted; wrong
        logits[targets == 0, :] = 9.0 * (np.arange(7) == guess)
        with naming(f"with id {guess} guessed at padding"):
            assert_close(student.masked_accuracy(targets, logits), share)
    assert_close(student.masked_accuracy(np.zeros_like(targets), logits), np.zeros((), "f4"))


# Task 3.8: sampling. Frequencies are tested so that a right sampler fails once in a million.


@check("3.8", says="int32 ids (batch,); bad arguments raise ValueError")
def test_sample_contract(student, rng):
    assert_ids(student, rng)
    wrong: list[dict] = [
        {"temperature": -0.5},
        {"temperature": math.nan},
        {"top_k": 0},
        {"top_k": -3},
    ]
    for arguments in (*wrong, {"top_p": 0.0}, {"top_p": 1.5}, {"top_p": -0.1}):
        assert_raises(ValueError, student.sample_next, np.zeros((2, 4)), **arguments)


@check("3.8", says="temperature 0, and a very small one, is argmax", weight=2)
def test_sample_argmax(student, rng):
    logits = rng.normal(size=(50, 7))
    for temperature in (0.0, 1e-6, 1e-300):
        ids = student.sample_next(logits, temperature=temperature, seed=1)
        assert_rows_ids(ids, logits.argmax(axis=1), logits)
    equals = np.array([[0.0, 2.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
    assert_rows_ids(student.sample_next(equals, temperature=0.0), np.array([1, 0]), equals)


@check("3.8", says="ids come as often as softmax(logits / temperature) says", weight=3)
def test_sample_temperature(student):
    logits = rows_of([0.1, 0.4, 0.0, 0.3, 0.2])
    squares, roots = np.array([1, 16, 0, 9, 4]), np.sqrt([1, 4, 0, 3, 2])
    shares = {1.0: [0.1, 0.4, 0.0, 0.3, 0.2], 0.5: squares / 30, 2.0: roots / roots.sum()}
    shares[0.2] = np.array([1, 1024, 0, 243, 32]) / 1300  # fifth powers
    for temperature, share in shares.items():
        ids = student.sample_next(logits, temperature=temperature, seed=1)
        assert_frequencies(counts(ids, 5, DRAWS), np.array(share))


@check("3.8", says="top-k and top-p keep exactly the likeliest tokens", weight=3)
def test_sample_cuts(student):
    draws = DRAWS // 2
    logits = rows_of(LIKELY, draws)
    two, three = np.array([0, 4, 0, 3]) / 7, np.array([0, 4, 2, 3]) / 9
    one, four = np.array([0, 1, 0, 0]), np.array([1, 4, 2, 3]) / 10
    cuts: list[tuple[dict, np.ndarray]] = [
        ({"top_k": 1}, one),
        ({"top_k": 2}, two),
        ({"top_k": 3}, three),
        ({"top_k": 9}, four),
    ]
    # the token with which the sum reaches top_p stays
    cuts += [({"top_p": 0.35}, one), ({"top_p": 0.6}, two), ({"top_p": 0.8}, three)]
    cuts += [({"top_p": 0.01}, one), ({"top_p": 0.95}, four), ({"top_p": 1.0}, four)]
    for arguments, share in cuts:
        ids = student.sample_next(logits, **arguments, seed=1)
        assert_kept(ids, share, draws)
    # two of four equals have 0.5 without any rounding
    ids = student.sample_next(np.zeros((draws, 4)), top_p=0.5, seed=1)
    assert_kept(ids, np.array([0.5, 0.5, 0, 0]), draws, [0.25] * 4)


@check("3.8", says="first temperature, then top-k, then top-p of what is left", weight=2)
def test_sample_order(student):
    draws = DRAWS // 2
    logits = rows_of(LIKELY, draws)
    one, two = np.array([0, 1, 0, 0]), np.array([0, 4, 0, 3]) / 7
    # p² / Σ p² = 0.53 for the likeliest: it alone reaches 0.5, as 0.4 did not
    ids = student.sample_next(logits, temperature=0.5, top_p=0.5, seed=1)
    assert_kept(ids, one, draws, [1 / 30, 16 / 30, 4 / 30, 9 / 30])
    # of the two likeliest the first has 4/7 = 0.57: it reaches 0.5, but not 0.65
    for top_p, share in ((0.5, one), (0.65, two)):
        ids = student.sample_next(logits, top_k=2, top_p=top_p, seed=1)
        assert_kept(ids, share, draws)


@check("3.8", says="an int gives the same draw each time, a generator goes on", weight=2)
def test_sample_seed(student):
    assert_repeats(student)


# Task 3.9: generation. The stepper is not an LSTM but a script (`scripted_stepper` in
# grading/lab3/builders.py): its logits are a row of a table, and which row depends on every id it
# has been fed and on how often, as long as it gets its own states back.


def table_of(rng, vocab_size=8, end=NEVER):
    """Draw a table of logits; `end` is added to those of END."""
    table = rng.normal(0, 2, (31, vocab_size)).astype("f4")
    table[:, END] += end
    return table


@check("3.9", says="lists of ints: the primer, then the continuation, max_length ids in all")
def test_generate_contract(student, rng):
    stepper = student.build("scripted_stepper", table_of(rng), 2, 1)
    primers = np.array([[1, 5, 6], [1, 7, 4]])
    for max_length in (3, 4, 9):
        results = student.generate(stepper, primers, max_length, seed=1)
        for rest in continuations(results, primers, max_length):
            size = 3 + len(rest)
            assert_holds(size == max_length, f"expected {max_length} ids in a row, got {size}")
    assert_raises(ValueError, student.generate, stepper, primers, 2)
    assert_raises(ValueError, student.generate, stepper, np.zeros((2, 0), np.int32), 5)


@check("3.9", says="each id is fed once, with the states that came back", weight=3)
def test_generate_argmax(student, solution, rng):
    for units, num_layers, primer_length in ((1, 1, 1), (3, 2, 4)):
        table, primers = table_of(rng), rng.integers(3, 8, (3, primer_length))
        wanted = solution.build("scripted_stepper", table, units, num_layers)
        stepper = student.build("scripted_stepper", table, units, num_layers)
        results = student.generate(stepper, primers, 12, temperature=0.0)
        continuations(results, primers, 12)
        assert_rows(results, solution.generate(wanted, primers, 12, temperature=0.0))


@check("3.9", says="a row ends with its END, the others go on", weight=2)
def test_generate_end(student, solution, rng):
    table, primers = table_of(rng, end=2.0), rng.integers(3, 8, (8, 2))
    wanted = solution.build("scripted_stepper", table, 2, 1)
    stepper = student.build("scripted_stepper", table, 2, 1)
    results = student.generate(stepper, primers, 10, temperature=0.0)
    continuations(results, primers, 10)
    assert_rows(results, solution.generate(wanted, primers, 10, temperature=0.0))


@check("3.9", says="a position costs one call of the stepper for the whole batch")
def test_generate_calls(student, rng):
    stepper = student.build("scripted_stepper", table_of(rng), 2, 1)
    primers = rng.integers(3, 8, (5, 3))
    continuations(student.generate(stepper, primers, 12, seed=1), primers, 12)
    calls = student.build("num_calls", stepper)
    # the last id need not be fed, but may be
    few = type(calls) is int and 1 <= calls <= 12
    assert_holds(few, f"the stepper was called {as_text(calls)} times for 12 positions")


@check("3.9", says="the same int gives the same results; one generator serves all steps", weight=2)
def test_generate_seed(student):
    table = np.zeros((5, 40), np.float32)  # every id is as likely as any other, but for END
    table[:, END] = NEVER
    stepper = student.build("scripted_stepper", table, 1, 1)
    primers = np.array([[1], [1]])
    first, again, other = (
        continuations(student.generate(stepper, primers, 13, seed=seed), primers, 13)
        for seed in (3, 3, 4)
    )
    with naming("two calls with seed 3 differ"):
        assert_rows(again, first)
    assert_holds(other != first, "seeds 3 and 4 give the same results")
    assert_holds(first[0] != first[1], "two rows of the batch got the same draws")
    # 12 draws from 39 ids: that one of them comes 9 times happens once in 10^10
    often = max(first[0].count(id) for id in first[0])
    assert_holds(often < 9, f"every step draws the same: {first[0]}")
