"""Tasks 3.5 to 3.9: the network, its loss and accuracy, sampling, generation."""

from itertools import permutations

import numpy as np

from grading.checks import hidden
from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_equal,
    assert_frequencies,
    assert_holds,
    check,
)
from grading.checks.networks import (
    NEVER,
    Weights,
    assert_changed,
    by_layer,
    randomize_both,
    set_layers,
)
from grading.checks.sampling import DRAWS, counts
from grading.lab3.networks import END, LAYER, continuations, networks, steps_from_zeros

# Task 3.5: the network


@check("3.5", says="the logits of model and stepper, for any size", weight=2, hidden=True)
def test_network_random(student, solution, rng):
    vocab_size, embedding_dim, units = (int(size) for size in rng.permutation([9, 7, 8]))
    sizes = (vocab_size, embedding_dim, units, 3, 0.3)
    (model, stepper), (same, _) = networks(student, *sizes), networks(solution, *sizes)
    randomize_both(model, same, LAYER, rng)
    ids = rng.integers(0, vocab_size, (3, 3))
    ids[0, 1] = 0  # read like any other: nothing is masked
    want = same(ids)
    # the same sums in another order: some tens of float32 roundings
    assert_close(model(ids), want, atol=1e-5)
    assert_close(steps_from_zeros(stepper, ids, units, 3), want, atol=1e-5)


@check("3.5", says="dropout: on each LSTM layer's outputs, in training only", hidden=True)
def test_network_dropout(student, solution, rng):
    ids, share = rng.integers(1, 32, (16, 3)), 0.2
    for num_layers in (1, 2):
        sizes = (32, 5, 32, num_layers, share)
        (model, _), (reference, _) = networks(student, *sizes), networks(solution, *sizes)
        randomize_both(model, reference, LAYER, rng)
        outputs: Weights = {
            ("logits", "kernel"): np.eye(32, dtype="f4"),
            ("logits", "bias"): np.zeros(32, "f4"),
        }
        for one in (model, reference):
            set_layers(one, outputs, LAYER)
        hidden = reference(ids)  # what the last LSTM layer puts out
        assert_close(model(ids), hidden, atol=1e-5)
        dropped = assert_array(model(ids, training=True), (16, 3, 32), "f")
        # 512 independent choices even if a mask serves all positions: 0.12 is seven deviations
        zeros = float((dropped == 0).mean())
        assert_holds(abs(zeros - share) < 0.12, "the wrong share of outputs is dropped")
        kept = np.where(dropped == 0, 0, hidden / (1 - share))
        same = np.isclose(dropped, kept, rtol=1e-4, atol=1e-5).all()
        assert_holds(same == (num_layers == 1), "what is dropped are not the layers' outputs")


@check("3.5", says="in training the model learns one batch by heart", weight=2, hidden=True)
def test_network_overfits(student, solution, rng):
    sizes = (9, 8, 24, 1, 0.0)
    (model, stepper), (same, _) = networks(student, *sizes), networks(solution, *sizes)
    ids, targets = rng.integers(1, 9, (4, 5)), rng.integers(1, 9, (4, 5))
    ids[:, 0] = range(1, 5)  # rows that begin alike could not be told apart
    before = by_layer(model, LAYER)
    model.train(ids, targets, steps=25, learning_rate=0.1)
    assert_changed(before, by_layer(model, LAYER), by_layer(same, LAYER))
    logits = hidden.assert_learned(model, same, LAYER, targets, ids)
    assert_close(steps_from_zeros(stepper, ids, 24, 1), logits, atol=1e-4)


# Task 3.6: the loss


@check("3.6", says="every token counts the same, wherever it stands", weight=2, hidden=True)
def test_loss_random(student, rng):
    hidden.assert_any_loss(student.masked_cross_entropy, rng)


@check("3.6", says="no overflow at ±1e4", weight=2, hidden=True)
def test_loss_large(student, rng):
    hidden.assert_no_overflow(student.masked_cross_entropy, rng)


@check("3.6", says="padding changes neither value nor gradient", weight=2, hidden=True)
def test_loss_hidden_gradient(student, rng):
    targets, logits = hidden.any_ragged(rng, 2)
    size = np.where(np.arange(targets.shape[1]) % 2, 1.0, 1e4)[:, None]  # of logits at padding
    hidden.assert_gradient_despite(size, student, "masked_cross_entropy", targets, logits)


# Task 3.7: accuracy


@check("3.7", says="the mean over tokens, padding left out", weight=2, hidden=True)
def test_accuracy_random(student, rng):
    for _ in range(3):
        targets, logits = hidden.any_ragged(rng, 1)
        right = np.eye(logits.shape[-1], dtype="f4")[targets]
        right[:, -1] *= 9  # at the last position all,
        logits += 2 * right  # elsewhere many
        rights = (logits.argmax(axis=-1) == targets)[targets != 0]
        assert_close(student.masked_accuracy(targets, logits), np.array(rights.mean()))


@check("3.7", says="every token counts the same", hidden=True)
def test_accuracy_rows(student, rng):
    length = int(rng.integers(5, 12))
    targets = np.zeros((2, length), np.int64)
    targets[0], targets[1, 0] = rng.integers(1, 6, length), 3
    guesses = targets % 5 + 1  # all wrong,
    guesses[1] = targets[1]  # but for a row of one token
    one_hot = np.eye(6, dtype="f4")[guesses]
    want = np.array(1 / (length + 1))
    assert_close(student.masked_accuracy(targets.astype("f4"), one_hot), want)


# Task 3.8: sampling


def cut(logits, temperature=1.0, top_k=None, top_p=None):
    """Probabilities of one row after temperature, top-k and top-p, written for clearness."""
    weights = np.exp((logits - logits.max()) / temperature)
    keep = sorted(range(len(logits)), key=lambda id: (-logits[id], id))[:top_k]
    if top_p is not None:
        shares = weights[keep] / weights[keep].sum()
        keep = keep[
            : 1 + next((i for i, s in enumerate(np.cumsum(shares)) if s >= top_p), len(keep))
        ]
    kept = np.where(np.isin(np.arange(len(logits)), keep), weights, 0)
    return kept / kept.sum()


def random_cut(rng, low, high, top_k, keep):
    """Draw logits, a temperature and a top_p that keeps `keep` ids, in no other order of cuts."""
    while True:
        logits, temperature = rng.normal(0, 1.5, 9), float(rng.uniform(low, high))
        arguments = {"temperature": temperature, "top_k": top_k, "top_p": None}
        if not keep:
            return logits, arguments
        # half-way between two sums, where no rounding matters
        sums = np.cumsum(np.sort(cut(logits, temperature, top_k))[::-1])
        arguments["top_p"] = float(sums[keep - 2 : keep].mean())
        without = [{**arguments, "temperature": 1.0}] + [{**arguments, "top_k": None}] * bool(top_k)
        if all(np.count_nonzero(cut(logits, **other)) != keep for other in without):
            return logits, arguments


@check("3.8", says="temperature, top-k and top-p together", weight=3, hidden=True)
def test_sample_random(student, rng):
    colder, hotter = (0.3, 0.4), (1.8, 2.5)
    for case in ((*colder, None, None), (*hotter, 5, None), (*colder, None, 4), (*hotter, 3, 2)):
        logits, arguments = random_cut(rng, *case)
        rows = np.tile(logits, (DRAWS, 1)).astype("f4")
        ids = student.sample_next(rows, **arguments, seed=int(rng.integers(1000)))
        assert_frequencies(counts(ids, 9, DRAWS), cut(logits, **arguments))


@check("3.8", says="rows are drawn independently, each from its own logits", weight=2, hidden=True)
def test_sample_rows(student, rng):
    hidden.assert_independent_rows(student, rng, 4, cut)


@check("3.8", says="among equals the lower id is likelier; −inf means never", hidden=True)
def test_sample_equals(student, rng):
    draws = DRAWS // 2  # enough to see that a share of 1 in 40 is none, or twice that
    # each row has 40 equals in places of its own: an unstable sort happens to keep some orders
    is_equal = rng.permuted(np.tile(np.arange(64) < 40, (draws, 1)), axis=1)
    logits = np.where(is_equal, 2.0, -np.inf)
    rank = np.where(is_equal, np.cumsum(is_equal, axis=1) - 1, 40)  # by id; 40 is never
    # 10 of 40 reach 0.24, whatever the rounding
    cuts: list[tuple[dict, int]] = [({"top_k": 10}, 10), ({"top_p": 0.24}, 10)]
    cuts += [({"top_k": 10, "top_p": 1.0}, 10), ({}, 40), ({"top_k": 50}, 40), ({"top_p": 1.0}, 40)]
    cuts += [({"temperature": 3.0}, 40)]
    for arguments, kept in cuts:
        ids = student.sample_next(logits, **arguments, seed=1)
        counts(ids, 64, draws)  # they are ids
        drawn = np.bincount(rank[np.arange(draws), ids], minlength=41)
        assert_frequencies(drawn, np.r_[np.full(kept, 1 / kept), np.zeros(41 - kept)])


@check("3.8", says="very small temperatures neither overflow nor give NaN", hidden=True)
def test_sample_cold(student, rng):
    logits = rng.permuted(np.tile(np.linspace(-1e4, 1e4, 9), (20, 1)), axis=1)
    for temperature in (1e-2, 1e-8, 1e-300):
        for arguments in ({}, {"top_k": 3}, {"top_p": 0.9}):
            ids = student.sample_next(logits, temperature, **arguments, seed=1)
            assert_equal(ids, logits.argmax(axis=1))


@check("3.8", says="seeds as numpy.random.default_rng takes them", hidden=True)
def test_sample_generator(student, rng):
    hidden.assert_seeds(student, rng)


# Task 3.9: generation, with the scripted stepper of the public checks


def unlike_rows(rng):
    """Draw a table; each two rows give 8 ids other shares, and END is the third likeliest."""
    pairs = rng.permutation(list(permutations(np.delete(np.arange(8), END), 2)))[:31]
    table = np.zeros((31, 8), "f4")
    for column, logit in ((pairs[:, 0], 2.5), (pairs[:, 1], 1.5), (END, 1.0)):
        table[np.arange(31), column] = logit
    return table


@check("3.9", says="states are carried, each row ends with its own END", weight=3, hidden=True)
def test_generate_random(student, solution, rng):
    for num_layers, end in ((1, NEVER), (3, 2.0)):  # to the last id; each row to its own end
        units, vocab_size = int(rng.integers(1, 5)), int(rng.integers(6, 12))
        table = rng.normal(0, 2, (37, vocab_size)).astype("f4")
        table[:, END] += end
        primers = rng.integers(0, vocab_size, (9, int(rng.integers(2, 6))))
        primers[0, 0] = END  # has no effect in a primer
        wanted = solution.build("scripted_stepper", table, units, num_layers)
        stepper = student.build("scripted_stepper", table, units, num_layers)
        max_length = primers.shape[1] + 8
        results = student.generate(stepper, primers, max_length, temperature=0.0)
        continuations(results, primers, max_length)
        assert_equal(results, solution.generate(wanted, primers, max_length, temperature=0.0))


@check("3.9", says="draws follow the logits, step after step", weight=2, hidden=True)
def test_generate_frequencies(student, solution, rng):
    table = unlike_rows(rng)
    wanted = solution.build("scripted_stepper", table, 1, 1)
    states = [np.zeros((1, 1), "f4")] * 2
    for id in (3, 1):
        logits, *states = wanted(np.array([[id]]), *states)
    shares = np.zeros((8, 8))  # of two draws; after END there is no second one
    for id, probability in enumerate(cut(logits[0])):
        then, *_ = wanted(np.array([[id]]), *states)
        shares[id] = probability * (cut(then[0]) if id != END else np.eye(8)[0])
    stepper, primers = student.build("scripted_stepper", table, 1, 1), np.tile([3, 1], (800, 1))
    results = student.generate(stepper, primers, 4, seed=int(rng.integers(1000)))
    pairs = []
    for rest in continuations(results, primers, 4):
        ended = rest == [END]
        whole = len(rest) == 2 and rest[0] != END and all(0 <= id < 8 for id in rest)
        assert_holds(ended or whole, "a row is too short or does not end with END")
        pairs.append(END * 8 if ended else 8 * rest[0] + rest[1])
    assert_frequencies(np.bincount(pairs, minlength=64), shares.ravel())


@check("3.9", says="temperature, top-k and top-p reach sample_next", weight=2, hidden=True)
def test_generate_arguments(student, solution, rng):
    table = unlike_rows(rng)
    wanted = solution.build("scripted_stepper", table, 1, 1)
    logits = wanted(np.array([[1]]), *[np.zeros((1, 1), "f4")] * 2)[0][0].astype("f8")
    stepper, primers = student.build("scripted_stepper", table, 1, 1), np.ones((400, 1), int)
    half_way = float(np.cumsum(np.sort(cut(logits))[::-1])[1:3].mean())
    for arguments in ({"temperature": 0.25}, {"top_k": 3}, {"top_p": half_way}):
        results = student.generate(stepper, primers, 2, **arguments, seed=1)
        drawn = [rest[0] for rest in continuations(results, primers, 2) if rest]
        assert_frequencies(counts(np.array(drawn), 8, 400), cut(logits, **arguments))
