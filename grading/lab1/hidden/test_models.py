"""Tasks 1.9 to 1.12: four networks, their loss, sampling and the writing of names."""

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
    by_layer,
    randomize,
    randomize_both,
    set_layers,
    step_through,
)
from grading.checks.sampling import DRAWS, counts
from grading.lab1.hidden.oracles import softmax
from grading.lab1.networks import (
    ARCHITECTURES,
    COUNTRIES,
    END,
    LAYER,
    PAD,
    ROWS,
    SCRIPTED,
    START,
    VOCABULARY,
    dropped_share,
    first_row,
    networks,
    same_names,
    table_of,
    written,
    zero_states,
)

SHARE = 0.3  # of dropout

# Task 1.9: the networks


def check_sizes(student, solution, architecture, num_layers, rng):
    """Demand the solution's logits of model and stepper, for sizes drawn."""
    vocab_size, num_countries, embedding_dim = (int(size) for size in rng.permutation([4, 7, 9]))
    max_length, num_heads = int(rng.integers(5, 9)), int(rng.integers(2, 5))
    sizes = (vocab_size, num_countries, embedding_dim, 2 * num_heads, num_layers, 0.3)
    arguments = (architecture, *sizes, max_length, num_heads)
    model, stepper = networks(student, *arguments)
    same, _ = networks(solution, *arguments)
    randomize_both(model, same, LAYER, rng)
    ids = rng.integers(0, vocab_size, (3, 5)).astype("i4")
    countries = rng.integers(0, num_countries, 3).astype("i4")
    want = same(ids, countries)
    # the same sums in another order: some tens of float32 roundings of logits of some units
    assert_close(model(ids, countries), want, atol=5e-5)
    states = zero_states(architecture, 3, 2 * num_heads, num_layers, max_length)
    assert_close(step_through(stepper, ids, states, countries), want, atol=5e-5)


@check(
    "1.9",
    says="rnn, lstm, gru: logits of model and stepper, any sizes",
    weight=3,
    hidden=True,
    cpu=60,
)
def test_network_random_recurrent(student, solution, rng):
    for architecture in ARCHITECTURES[:3]:
        check_sizes(student, solution, architecture, 2, rng)


@check(
    "1.9", says="transformer: logits of model and stepper, any sizes", weight=3, hidden=True, cpu=60
)
def test_network_random_transformer(student, solution, rng):
    check_sizes(student, solution, "transformer", 1, rng)


def in_training(model, inputs):
    """Demand that the last Dropout drops its share; whether it alone drops anything."""
    hidden = assert_array(model(*inputs), (16, 8, 8), "f")  # the logits' weights are the identity
    got = assert_array(model(*inputs, training=True), hidden.shape, "f")
    dropped_share(got == 0, SHARE)
    kept = np.where(got == 0, 0, hidden / (1 - SHARE))
    return np.isclose(got, kept, rtol=1e-4, atol=1e-5).all()


@check("1.9", says="what each Dropout drops, in training only", weight=2, hidden=True, cpu=60)
def test_network_dropout(student, rng):
    inputs = rng.integers(0, 8, (16, 8)).astype("i4"), rng.integers(0, 3, 16).astype("i4")
    for architecture in ARCHITECTURES:
        model, _ = networks(student, architecture, 8, units=8, num_layers=1, dropout=SHARE)
        randomize(model, rng)
        weights = by_layer(model, LAYER)
        weights["logits", "kernel"] = np.eye(8, dtype="f4")
        weights["logits", "bias"] = np.zeros(8, "f4")
        silent = {key: np.zeros_like(value) for key, value in weights.items()}
        blocks = {key for key in weights if "output" in key or "contract" in key}
        # without what a block adds only the first Dropout is before the last one
        set_layers(model, weights | {key: silent[key] for key in blocks}, LAYER)
        first = not in_training(model, inputs)
        assert_holds(first, f"{architecture}: nothing is dropped before the layers")
        if architecture == "transformer":  # without what is widened only the blocks' own is
            widen = {key: value for key, value in silent.items() if key == ("widen", "kernel")}
            set_layers(model, weights | widen, LAYER)
            assert_holds(not in_training(model, inputs), "the blocks drop nothing")


@check("1.9", says="dropout acts on the country's vector as on the embedding", hidden=True, cpu=60)
def test_network_dropped_country(student, rng):
    model, _ = networks(student, "rnn", 8, units=8, num_layers=1, dropout=SHARE)
    identity, row = np.eye(8, dtype="f4"), np.zeros(8, "f4")
    weights: Weights = {  # h = tanh(x), where x is the embedding of ones and the country
        ("embedding", "embeddings"): np.ones((8, 5), "f4"),
        ("cell_0", "kernel"): identity,
        ("cell_0", "recurrent_kernel"): 0 * identity,
        ("cell_0", "bias"): row,
        ("logits", "kernel"): identity,
        ("logits", "bias"): row,
    }
    set_layers(model, weights, LAYER)
    countries = np.arange(48, dtype="i4") % 3
    got = model(np.zeros((48, 9), "i4"), countries, training=True)
    got = assert_array(got, (48, 9, 8), "f")
    dropped_share(got[..., :5] == 0, 1 - (1 - SHARE) ** 2)
    country = np.take_along_axis(got[..., 5:], countries[:, None, None], axis=-1)
    dropped_share(country == 0, 1 - (1 - SHARE) ** 2)
    kept = np.float32(np.tanh(1 / (1 - SHARE)) / (1 - SHARE))
    assert_close(country[country != 0], np.full((country != 0).sum(), kept))


@check("1.9", says="in training the model learns one batch by heart", weight=2, hidden=True, cpu=60)
def test_network_overfits(student, solution, rng):
    (model, stepper), (same, _) = (
        networks(code, "rnn", embedding_dim=8, units=24, num_layers=1, dropout=0.0)
        for code in (student, solution)
    )
    ids, targets = rng.integers(1, 9, (4, 5)).astype("i4"), rng.integers(1, 9, (4, 5))
    ids[:, 0] = np.arange(1, 5)  # rows that begin alike could not be told apart
    countries = np.array([0, 1, 2, 0], "i4")
    model.train([ids, countries], targets, steps=25, learning_rate=0.1)
    logits = hidden.assert_learned(model, same, LAYER, targets, ids, countries)
    states = zero_states("rnn", 4, 24, 1)
    assert_close(step_through(stepper, ids, states, countries), logits, atol=1e-4)


# Task 1.10: the loss


@check("1.10", says="the mean over characters that are not padding", weight=2, hidden=True)
def test_loss_random(student, rng):
    hidden.assert_any_loss(student.nats_per_character, rng)


@check("1.10", says="no overflow at ±1e4", weight=2, hidden=True)
def test_loss_large(student, rng):
    hidden.assert_no_overflow(student.nats_per_character, rng)


@check("1.10", says="padding changes neither value nor gradient", weight=2, hidden=True)
def test_loss_hidden_gradient(student, rng):
    hidden.assert_gradient_despite(1e4, student, "nats_per_character", *hidden.any_ragged(rng, 2))


# Task 1.11: sampling


@check("1.11", says="softmax(logits / temperature), PAD and START left out", weight=3, hidden=True)
def test_sample_random(student, rng):
    for _ in range(3):
        logits, temperature = rng.normal(0, 1.5, 9), float(rng.uniform(0.4, 2.5))
        rows = np.tile(logits, (DRAWS, 1)).astype("f4")
        ids = student.sample_next(rows, temperature, seed=int(rng.integers(1000)))
        assert_frequencies(counts(ids, 9, DRAWS), softmax(logits, temperature))


@check("1.11", says="rows are drawn independently, each from its own logits", weight=2, hidden=True)
def test_sample_rows(student, rng):
    hidden.assert_independent_rows(student, rng, 5, softmax)


@check("1.11", says="−inf means never", hidden=True)
def test_sample_never(student, rng):
    logits = rng.normal(size=8)
    logits[[PAD, START, int(rng.integers(3, 8))]] = [np.inf * sign for sign in (-1, -1, -1)]
    for temperature in (1.0, 3.0):
        ids = student.sample_next(np.tile(logits, (DRAWS, 1)), temperature, seed=1)
        assert_frequencies(counts(ids, 8, DRAWS), softmax(logits, temperature))


@check("1.11", says="very small temperatures neither overflow nor give NaN", hidden=True)
def test_sample_cold(student, rng):
    logits = rng.permuted(np.tile(np.linspace(-1e4, 1e4, 9), (20, 1)), axis=1)
    likeliest = np.where(np.arange(9) > START, logits, -np.inf).argmax(axis=1)
    for temperature in (1e-2, 1e-8, 1e-300):
        assert_equal(student.sample_next(logits, temperature, seed=1), likeliest)


@check("1.11", says="seeds as numpy.random.default_rng takes them", hidden=True)
def test_sample_generator(student, rng):
    hidden.assert_seeds(student, rng)


# Task 1.12: writing, with the scripted stepper of the public checks


def random_wanted(rng: np.random.Generator, count: int) -> list[str]:
    """Draw countries."""
    return rng.choice(COUNTRIES, count).tolist()


@check("1.12", says="states are carried, each name ends by itself", weight=3, hidden=True)
def test_generate_random(student, solution, rng):
    for states, end in zip(SCRIPTED, (NEVER, 2.0), strict=True):  # to the end; as it comes
        table, wanted = table_of(rng, end), random_wanted(rng, 9)
        starts = ["".join(rng.choice(list("ABab-"), rng.integers(0, 4))) for _ in wanted]
        starts[0], table[first_row(states, wanted[0]), END] = "", 9.0  # but a name is not empty
        same_names(student, solution, (table, states), 8, wanted, starts)


def probabilities(solution, table, country, temperature=1.0):
    """Give those of the first character, and of the second after each first one."""
    stepper = solution.build("scripted_stepper", table, SCRIPTED[0])
    where, states = np.array([COUNTRIES.index(country)], "i4"), [np.zeros((1, 3), "f4")]
    logits, *states = stepper(np.array([[START]], "i4"), where, *states)
    first = np.where(np.arange(len(VOCABULARY)) == END, 0, softmax(logits[0], temperature))
    second = [
        softmax(stepper(np.array([[id]], "i4"), where, *states)[0][0], temperature)
        for id in range(len(VOCABULARY))
    ]
    return first / first.sum(), np.array(second)


@check("1.12", says="draws follow the logits, step after step", weight=2, hidden=True, cpu=60)
def test_generate_frequencies(student, solution, rng):
    table, (country,) = rng.normal(size=(ROWS, len(VOCABULARY))).astype("f4"), random_wanted(rng, 1)
    table[:, END] = table.max(axis=1) + 0.5  # after a letter the likeliest, not before
    first, second = probabilities(solution, table, country)
    stepper, wanted = student.build("scripted_stepper", table, SCRIPTED[0]), [country] * 800
    given = (stepper, VOCABULARY, COUNTRIES, wanted)
    names = student.generate_names(*given, max_length=2, seed=int(rng.integers(1000)))
    size = len(VOCABULARY)
    pairs = np.zeros(size * size, int)
    for name in written(names, wanted, 2):
        known = all(character in VOCABULARY[3:] for character in name)
        assert_holds(known, "a character that is not in the vocabulary")
        one, two = [*(VOCABULARY.index(character) for character in name), END][:2]
        pairs[size * one + two] += 1
    assert_frequencies(pairs, (first[:, None] * second).ravel())


@check("1.12", says="the temperature reaches sample_next", hidden=True)
def test_generate_temperature(student, solution, rng):
    table = np.tile(rng.normal(size=len(VOCABULARY)).astype("f4"), (ROWS, 1))
    stepper, wanted = student.build("scripted_stepper", table, SCRIPTED[0]), ["Peru"] * 400
    for temperature in (0.3, 3.0):
        share, _ = probabilities(solution, table, "Peru", temperature)
        arguments = {"max_length": 1, "temperature": temperature, "seed": 1}
        names = student.generate_names(stepper, VOCABULARY, COUNTRIES, wanted, **arguments)
        known = [name for name in written(names, wanted, 1) if name in VOCABULARY]
        ids = np.array([VOCABULARY.index(name) for name in known])
        assert_frequencies(counts(ids, len(VOCABULARY), 400), share)


@check("1.12", says="one call of the stepper a character, for the whole batch", hidden=True)
def test_generate_batch(student, rng):
    stepper = student.build("scripted_stepper", table_of(rng, NEVER), SCRIPTED[1])
    wanted = random_wanted(rng, 7)
    starts = ["ab", *[""] * 6]
    arguments = {"starts": starts, "max_length": 10, "seed": 1}
    names = student.generate_names(stepper, VOCABULARY, COUNTRIES, wanted, **arguments)
    written(names, wanted, 10)
    calls = student.build("num_calls", stepper)
    assert_holds(1 <= calls <= 11, "the stepper is called too often")
