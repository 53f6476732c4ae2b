"""Tasks 1.3 to 1.8: the country, three cells, attention and a Transformer block."""

import numpy as np

from grading.checks.assertions import assert_array, assert_close, check
from grading.checks.networks import by_layer, randomize, set_layers
from grading.lab1.hidden.oracles import attention
from grading.lab1.networks import (
    LAYER,
    attending,
    blocks,
    cells,
    dropped_share,
    layer,
    same_steps,
    three,
)
from grading.sandbox.proxy import model


def sizes(rng: np.random.Generator, count: int) -> list[int]:
    """Draw sizes from 2 to 7, no two of them the same."""
    return [int(size) for size in 2 + rng.permutation(6)[:count]]


# Task 1.3: the country


@check("1.3", says="at every step the input, then the row's country", weight=3, hidden=True)
def test_condition_random(student, solution, rng):
    for _ in range(3):
        batch, length, dim, num_countries = sizes(rng, 4)
        inputs = rng.normal(size=(batch, length, dim)).astype("f4")
        countries = rng.integers(0, num_countries, batch).astype("i4")
        got = student.condition_on_country(inputs, countries, num_countries)
        assert_close(got, solution.condition_on_country(inputs, countries, num_countries))


@check("1.3", says="in a keras.Model, for any batch and length", weight=2, hidden=True)
def test_condition_random_model(student, solution, rng):
    dim, num_countries = sizes(rng, 2)
    got, want = (
        model(code.build("conditioned", dim, num_countries)) for code in (student, solution)
    )
    for _ in range(2):
        batch, length = sizes(rng, 2)
        inputs = rng.normal(size=(batch, length, dim)).astype("f4")
        countries = rng.integers(0, num_countries, batch).astype("i4")
        assert_close(got(inputs, countries), want(inputs, countries))


# Tasks 1.4 to 1.6: cells, compared with Keras's own


def check_step(student, solution, kind, rng, num_states=1, **settings):
    """Demand the step of Keras's cell for sizes drawn."""
    batch, dim, units = sizes(rng, 3)
    own, reference = cells(student, solution, kind, rng, dim, units=units, **settings)
    inputs = rng.normal(0, 2, (batch, dim)).astype("f4")
    states = [rng.normal(0, 2, (batch, units)).astype("f4") for _ in range(num_states)]
    same_steps(student, solution, own, reference, (inputs, states))


def check_walk(student, solution, kind, rng, **settings):
    """Demand what Keras's RNN layer gives with Keras's cell, for sizes drawn."""
    batch, length, dim, units = sizes(rng, 4)
    own, reference = cells(student, solution, kind, rng, dim, units=units, **settings)
    inputs = rng.normal(size=(batch, length, dim)).astype("f4")
    got = model(student.build("walked", own, dim))(inputs)
    want = model(solution.build("walked", reference, dim))(inputs)
    # sums of some ten products in another order, seven times over
    assert_close(got, want, atol=2e-5)


@check("1.4", says="one step, from any state", weight=2, hidden=True)
def test_rnn_random(student, solution, rng):
    check_step(student, solution, "RNNCell", rng)


@check("1.4", says="along a sequence by keras.layers.RNN", hidden=True)
def test_rnn_walk(student, solution, rng):
    check_walk(student, solution, "RNNCell", rng)


@check("1.5", says="one step, from any h and c", weight=2, hidden=True)
def test_lstm_random(student, solution, rng):
    check_step(student, solution, "LSTMCell", rng, 2)


@check("1.5", says="along a sequence by keras.layers.RNN", hidden=True)
def test_lstm_walk(student, solution, rng):
    check_walk(student, solution, "LSTMCell", rng)


@check("1.6", says="one step with reset_after", weight=2, hidden=True)
def test_gru_random_after(student, solution, rng):
    check_step(student, solution, "GRUCell", rng, reset_after=True)


@check("1.6", says="one step without reset_after", weight=2, hidden=True)
def test_gru_random_before(student, solution, rng):
    check_step(student, solution, "GRUCell", rng, reset_after=False)


@check("1.6", says="along a sequence by keras.layers.RNN, by either convention", hidden=True)
def test_gru_walk(student, solution, rng):
    for reset_after in (True, False):
        check_walk(student, solution, "GRUCell", rng, reset_after=reset_after)


# Task 1.7: attention


@check("1.7", says="each query's mean of the values it sees", weight=2, hidden=True)
def test_attention_random(student, rng):
    attend = attending(student)
    for _ in range(2):
        batch, num_heads, length, head_dim = sizes(rng, 4)
        heads = rng.normal(size=(3, batch, num_heads, length, head_dim)).astype("f4")
        # the same sums in another order: some tens of float32 roundings
        assert_close(attend(*heads), attention(*heads), atol=1e-5)


@check("1.7", says="what each query sees by its own position", weight=2, hidden=True)
def test_attention_random_positions(student, rng):
    attend = attending(student)
    for _ in range(2):
        batch, num_heads, keys, head_dim, queries = sizes(rng, 5)
        query = rng.normal(size=(batch, num_heads, queries, head_dim)).astype("f4")
        key, value = rng.normal(size=(2, batch, num_heads, keys, head_dim)).astype("f4")
        positions = rng.integers(0, keys, (batch, queries)).astype("i4")
        got = attend(query, key, value, positions)
        assert_close(got, attention(query, key, value, positions), atol=1e-5)


@check("1.7", says="keys after the position make no difference", hidden=True)
def test_attention_room(student, rng):
    attend = attending(student)
    query = rng.normal(size=(3, 2, 1, 4)).astype("f4")
    key, value = rng.normal(size=(2, 3, 2, 6, 4)).astype("f4")
    positions = np.array([[3], [0], [2]], "i4")
    want = attention(query, key, value, positions)
    behind = np.arange(6)[:, None] > positions[:, :, None, None]
    for size in (0.0, 300.0, -300.0):
        key, value = (
            np.where(behind, np.float32(size), key),
            np.where(behind, np.float32(size), value),
        )
        got = attend(query, key, value, positions)
        assert_close(got, want, atol=1e-5)


@check("1.7", says="finite for scores up to ±1e4", hidden=True)
def test_attention_large(student, rng):
    attend = attending(student)
    lead = 0.0
    while lead < 100:  # so that each query's largest score alone counts
        query, key, value = rng.normal(size=(3, 2, 2, 5, 4)).astype("f4")
        scores = np.einsum("bhqd,bhkd->bhqk", query, key) / 2
        query *= np.float32(1e4) / np.abs(scores).max()
        seen = np.where(np.tri(5) > 0, scores * 1e4 / np.abs(scores).max(), -np.inf)
        *_, second, best = np.moveaxis(np.sort(seen[:, :, 1:], axis=-1), -1, 0)
        lead = (best - second).min()
    got = assert_array(attend(query, key, value), value.shape, "f")
    assert_close(got, attention(query, key, value), atol=1e-5)


# Task 1.8: a block


@check("1.8", says="outputs, keys and values of a whole sequence", weight=2, hidden=True, cpu=30)
def test_block_random(student, solution, rng):
    batch, length, num_heads, head_dim = sizes(rng, 4)
    dim = num_heads * head_dim
    own, same = blocks(student, solution, rng, dim, num_heads)
    inputs = rng.normal(size=(batch, length, dim)).astype("f4")
    got = three(own(inputs), batch, length, length, dim)
    for one, other in zip(got, same(inputs), strict=True):
        # sums of up to 200 products in another order
        assert_close(one, other, rtol=5e-5, atol=5e-5)


@check("1.8", says="with a cache, each row at its own position", weight=2, hidden=True, cpu=30)
def test_block_rows(student, solution, rng):
    own, same = blocks(student, solution, rng, 8, 2)
    cache = [rng.normal(size=(4, 6, 8)).astype("f4") for _ in range(2)]
    inputs = rng.normal(size=(4, 1, 8)).astype("f4")
    position = rng.permutation(6)[:4, None].astype("i4")
    got = three(student.build("block_step", own, inputs, cache, position), 4, 1, 6, 8)
    want = solution.build("block_step", same, inputs, cache, position)
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, atol=2e-5)


@check(
    "1.8",
    says="dropout after output and after contract, in training",
    weight=2,
    hidden=True,
    cpu=30,
)
def test_block_dropout(student, rng):
    share, inputs = 0.3, rng.normal(size=(8, 8, 8)).astype("f4")
    block = layer(student, "TransformerBlock", 8, num_heads=2, dropout=share)
    randomize(block, rng)
    weights = by_layer(block, LAYER)
    for silent in ("contract", "output"):  # so that only the other one adds to the inputs
        zeros = {key: np.zeros_like(value) for key, value in weights.items() if silent in key}
        set_layers(block, weights | zeros, LAYER)
        added = three(block(inputs), 8, 8, 8, 8)[0] - inputs
        in_training = three(block(inputs, training=True), 8, 8, 8, 8)[0] - inputs
        dropped = np.abs(in_training) < 1e-6
        dropped_share(dropped, share)
        # a difference of sums up to about 5: some roundings of those
        assert_close(in_training, np.where(dropped, 0, added / (1 - share)), rtol=1e-4, atol=1e-5)
