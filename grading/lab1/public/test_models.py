"""Tasks 1.9 to 1.12: four networks, their loss, sampling and the writing of names."""

import math

import numpy as np

from grading.checks import losses
from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_equal,
    assert_frequencies,
    assert_holds,
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
    step_through,
)
from grading.checks.sampling import DRAWS, assert_ids, assert_repeats, counts, rows_of
from grading.lab1.networks import (
    ARCHITECTURES,
    COUNTRIES,
    END,
    LAYER,
    PAD,
    SCRIPTED,
    START,
    VOCABULARY,
    networks,
    same_names,
    table_of,
    written,
    zero_states,
)

# Task 1.9: the networks. The same sums in another order, two layers and eight positions deep,
# differ by some tens of float32 roundings of 6e-8, on logits of some units: hence 5e-5. JAX
# compiles every operation that it meets, four networks' of them: hence `cpu`.


def draw_inputs(rng, batch=4):
    """Draw ids and countries; 0, padding, is an id like any other."""
    countries = rng.permutation(np.arange(batch) % 3)  # no two of the first three the same
    return rng.integers(0, 9, (batch, 5)).astype("i4"), countries.astype("i4")


@check("1.9", says="shapes, names and states as stated", weight=2, cpu=60)
def test_network_contract(student):
    for architecture in ARCHITECTURES:
        network, stepper = networks(student, architecture, num_layers=1)
        by_layer(network, LAYER)
        told, step = network.describe(), stepper.describe()
        own = (
            ["widen", "positions", "block_0", "norm"]
            if architecture == "transformer"
            else ["rnn_0"]
        )
        missing = {"embedding", *own, "logits"} - {name for name, _ in told["layers"]}
        assert_holds(not missing, f"{architecture}: no layer is named {sorted(missing)}")
        states = [list(state.shape[1:]) for state in zero_states(architecture, 1, num_layers=1)]
        for what, got, want in (
            ("model's inputs", told["inputs"], [[None], []]),
            ("model's outputs", told["outputs"], [[None, 9]]),
            ("stepper's inputs", step["inputs"], [[1], [], *states]),
            ("stepper's outputs", step["outputs"], [[9], *states]),
        ):
            got = [shape[1:] for shape in got]
            message = f"{architecture}: the {what}, without batch, should be {want}, not {got}"
            assert_holds(got == want, message)
    message = assert_raises(ValueError, networks, student, "cnn")
    assert_holds("cnn" in message, f"the message does not name 'cnn': {message}")


def check_logits(student, solution, architecture, num_layers, rng):
    """Demand the solution's logits from the same weights."""
    codes = (student, solution)
    model, same = (networks(code, architecture, num_layers=num_layers)[0] for code in codes)
    randomize_both(model, same, LAYER, rng)
    inputs = draw_inputs(rng)
    assert_close(model(*inputs), same(*inputs), atol=5e-5)


def check_stepper(student, architecture, rng):
    """Demand the model's logits from its stepper."""
    model, stepper = networks(student, architecture)
    randomize(model, rng)
    ids, countries = draw_inputs(rng)
    whole = model(ids, countries)
    got = step_through(stepper, ids, zero_states(architecture, 4), countries)
    assert_same_in_steps(got, whole, atol=5e-5)


@check("1.9", says="rnn, lstm, gru: Embedding, country, RNN layers, Dense logits", weight=3, cpu=60)
def test_network_logits_recurrent(student, solution, rng):
    for architecture in ARCHITECTURES[:3]:
        check_logits(student, solution, architecture, 2, rng)


@check(
    "1.9",
    says="transformer: positions are added, blocks, a last norm, Dense logits",
    weight=3,
    cpu=60,
)
def test_network_logits_transformer(student, solution, rng):
    check_logits(student, solution, "transformer", 1, rng)


@check("1.9", says="rnn, lstm, gru: the stepper gives the model's logits", weight=3, cpu=60)
def test_network_stepper_recurrent(student, rng):
    for architecture in ARCHITECTURES[:3]:
        check_stepper(student, architecture, rng)


@check("1.9", says="transformer: the stepper gives the model's logits", weight=3, cpu=60)
def test_network_stepper_transformer(student, rng):
    check_stepper(student, "transformer", rng)


@check(
    "1.9",
    says="logits depend on the country, that id and earlier ones, and on nothing else",
    cpu=60,
)
def test_network_causality(student, rng):
    for architecture in ("gru", "transformer"):
        model, _ = networks(student, architecture, num_layers=1)
        randomize(model, rng)
        ids, countries = draw_inputs(rng)
        logits = assert_array(model(ids, countries), (4, 5, 9), "f")
        other = ids.copy()
        other[:3, 2] = (ids[:3, 2] + 1) % 9
        after = assert_array(model(other, countries), (4, 5, 9), "f")
        change = f"{architecture}: other ids at position 2"
        assert_same_after(
            f"{change}, for logits before it,", after[:, :2], logits[:, :2], atol=5e-5
        )
        assert_same_after(f"{change} of other rows", after[3], logits[3], atol=5e-5)
        moved = np.abs(after - logits).max(axis=(0, 2)) > 1e-3  # random weights of 0.5: far more
        assert_holds(moved[2], "the logits at a position should depend on the id there")
        assert_holds(moved[4], "the logits at a position should depend on earlier ids")
        abroad = assert_array(model(ids, (countries + 1) % 3), (4, 5, 9), "f")
        moved = np.abs(abroad - logits).max(axis=2) > 1e-3
        assert_holds(moved[:, 0].all(), "the logits should depend on the country")


@check(
    "1.9", says="untrained, the loss is near ln V; training changes every weight", weight=2, cpu=60
)
def test_network_training(student, solution, rng):
    for architecture in ARCHITECTURES:
        model, stepper = networks(student, architecture, num_layers=1)
        wanted, _ = networks(solution, architecture, num_layers=1)
        inputs, targets = draw_inputs(rng, batch=9), rng.integers(1, 9, (9, 5))
        logits = assert_array(model(*inputs), (9, 5, 9), "f")
        # logits vary by at most 0.9, after the Transformer's last norm: half their variance is
        # what ln V is missed by, 0.4, and that varies by 0.1: six deviations
        losses.assert_untrained(logits, atol=1.0)
        before = by_layer(model, LAYER)
        student.build("descend", model, list(inputs), targets)
        after, shared = by_layer(model, LAYER), by_layer(stepper, LAYER)
        assert_changed(before, after, by_layer(wanted, LAYER))
        for key, value in after.items():
            with naming(f"{'/'.join(key)}, which the stepper shares"):
                assert_close(shared.get(key), value)


# Task 1.10: the loss. It is compared at float32's accuracy, as assert_close does unless told.


@check("1.10", says="a float32 scalar, whatever the targets' dtype")
def test_loss_contract(student, rng):
    losses.assert_float32_scalar(student.nats_per_character, *losses.ragged(rng))


@check("1.10", says="nats a character, whichever row it is in", weight=3)
def test_loss_values(student, solution, rng):
    losses.assert_values(student.nats_per_character, solution.nats_per_character, rng)


@check("1.10", says="logits at padding make no difference; 0 if all is padding", weight=2)
def test_loss_padding(student, rng):
    losses.assert_padding_ignored(student.nats_per_character, rng)


@check("1.10", says="Keras can train with it: its gradient", weight=2)
def test_loss_gradient(student, solution, rng):
    losses.assert_gradient(student, solution, "nats_per_character", rng)


# Task 1.11: sampling. Frequencies are tested so that a right sampler fails once in a million.


@check("1.11", says="int32 ids (batch,); a bad temperature raises ValueError")
def test_sample_contract(student, rng):
    assert_ids(student, rng, END)
    for temperature in (-0.5, math.nan):
        assert_raises(ValueError, student.sample_next, np.zeros((2, 4)), temperature)


@check("1.11", says="temperature 0, and a very small one, is argmax", weight=2)
def test_sample_argmax(student, rng):
    logits = rng.normal(size=(50, 7))
    logits[:, [PAD, START]] = -9.0
    for temperature in (0.0, 1e-6, 1e-300):
        assert_equal(student.sample_next(logits, temperature, seed=1), logits.argmax(axis=1))
    equals = np.array([[0.0, 0.0, 0.0, 2.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0, 3.0, 3.0]])
    assert_equal(student.sample_next(equals, 0.0), np.array([3, 2]))


@check("1.11", says="ids come as often as softmax(logits / temperature) says", weight=3)
def test_sample_temperature(student):
    logits = rows_of([0.0, 0.0, 0.1, 0.4, 0.0, 0.3, 0.2])
    for temperature in (1.0, 0.5, 2.0):
        share = np.array([0, 0, 1, 4, 0, 3, 2]) ** (1 / temperature)
        ids = student.sample_next(logits, temperature, seed=1)
        assert_frequencies(counts(ids, 7, DRAWS), share / share.sum())


@check("1.11", says="PAD and START are never drawn, the others keep their proportions", weight=3)
def test_sample_specials(student):
    for likely in ([0.4, 0.4], [0.0, 0.8], [0.05, 0.05]):
        logits = rows_of([*likely, 0.05, 0.1, 0.05])
        ids = student.sample_next(logits, seed=1)
        assert_frequencies(counts(ids, 5, DRAWS), np.array([0, 0, 0.25, 0.5, 0.25]))
        assert_equal(student.sample_next(logits[:2], 0.0), np.array([3, 3]))


@check("1.11", says="an int gives the same draw each time, a generator goes on", weight=2)
def test_sample_seed(student):
    assert_repeats(student)


# Task 1.12: writing. The stepper is not a network but a script (`scripted_stepper` in
# grading/lab1/builders.py): its logits are a row of a table, and which row depends on all ids it
# has been fed, on the country and on how often, as long as it gets its own states back.


@check("1.12", says="a list of names, never empty, of at most max_length characters")
def test_generate_contract(student, rng):
    for end in (0.0, 4.0, NEVER):
        stepper = student.build("scripted_stepper", table_of(rng, end), SCRIPTED[0])
        for max_length in (1, 2, 6):
            wanted = ["Chile", "Chad", "Chile", "Peru", "Fiji"]
            arguments = {"max_length": max_length, "seed": 1}
            got = student.generate_names(stepper, VOCABULARY, COUNTRIES, wanted, **arguments)
            written(got, wanted, max_length)
    assert_equal(student.generate_names(stepper, VOCABULARY, COUNTRIES, []), [])


def check_argmax(student, solution, rng, end, states, wanted, starts=None):
    """Demand the solution's names, the likeliest ones."""
    same_names(student, solution, (table_of(rng, end), states), 9, wanted, starts)


@check("1.12", says="each id is fed once, with its country and the states that came back", weight=3)
def test_generate_argmax(student, solution, rng):
    wanted = ["Fiji", "Chile", "Chile", "Chad"]
    for states in SCRIPTED:
        check_argmax(student, solution, rng, NEVER, states, wanted)


@check("1.12", says="END ends its own name only, and is never the first character", weight=2)
def test_generate_end(student, solution, rng):
    for _ in range(3):
        check_argmax(student, solution, rng, 2.0, SCRIPTED[0], [*COUNTRIES, *COUNTRIES])


@check("1.12", says="a start is fed as if it had been drawn", weight=2)
def test_generate_starts(student, solution, rng):
    wanted = ["Chad", "Peru", "Peru", "Fiji", "Chile"]
    starts = ["A", "", "ab-", "Bb", "a" * 9]
    for end in (NEVER, 2.0):
        check_argmax(student, solution, rng, end, SCRIPTED[0], wanted, starts)


@check("1.12", says="a character costs one call of the stepper for the whole batch")
def test_generate_calls(student, rng):
    stepper = student.build("scripted_stepper", table_of(rng, NEVER), SCRIPTED[0])
    wanted = COUNTRIES * 2
    arguments = {"max_length": 12, "seed": 1}
    written(student.generate_names(stepper, VOCABULARY, COUNTRIES, wanted, **arguments), wanted, 12)
    calls = student.build("num_calls", stepper)
    # the last character need not be fed, but may be
    assert_holds(1 <= calls <= 13, f"the stepper was called {calls} times for 12 characters")


@check(
    "1.12", says="unknown country or letter, a start too long, too few or many starts: ValueError"
)
def test_generate_errors(student, rng):
    stepper = student.build("scripted_stepper", table_of(rng, 0.0), SCRIPTED[0])
    given = (student.generate_names, stepper, VOCABULARY, COUNTRIES)
    for wanted, near in ((["Fiji", "Chili"], "Chile"), (["Xyz"], "Xyz")):
        message = assert_raises(ValueError, *given, wanted)
        for name in (wanted[-1], near):
            assert_holds(name in message, f"the message does not name {name!r}: {message}")
    message = assert_raises(ValueError, *given, ["Fiji"], ["aß"])
    assert_holds("ß" in message, f"the message does not name 'ß': {message}")
    assert_raises(ValueError, *given, ["Fiji", "Fiji"], ["", "abab"], max_length=3)
    for starts in (["A"], ["A", "a", ""]):
        assert_raises(ValueError, *given, ["Fiji", "Chad"], starts)


@check("1.12", says="the same int gives the same names; one generator serves all steps", weight=2)
def test_generate_seed(student):
    letters = [chr(code) for code in range(ord("A"), ord("A") + 37)]
    table = np.zeros((3, 40), "f4")  # every letter is as likely as any other, but for END
    table[:, END] = NEVER
    stepper = student.build("scripted_stepper", table, SCRIPTED[0])
    given = (stepper, [*VOCABULARY[:3], *letters], COUNTRIES, ["Chad", "Chad"])
    other, first, again = (
        written(student.generate_names(*given, max_length=20, seed=seed), given[-1], 20)
        for seed in (4, 3, 3)
    )
    with naming("seed=3 once more"):
        assert_equal(again, first)
    assert_holds(other != first, "seeds 3 and 4 give the same names")
    assert_holds(first[0] != first[1], "two rows of the batch got the same draws")
    # 20 draws from 37 letters: that one of them comes 10 times happens once in 10^8
    often = max(first[0].count(letter) for letter in first[0])
    assert_holds(often < 10, f"every step draws the same: {first[0]}")
