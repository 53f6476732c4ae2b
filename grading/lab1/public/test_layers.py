"""Tasks 1.3 to 1.8: the country, three cells, attention and a Transformer block."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_each,
    assert_holds,
    assert_same_after,
    check,
    naming,
)
from grading.checks.networks import assert_changed, by_layer, randomize
from grading.lab1.networks import (
    BLOCK,
    LAYER,
    attending,
    blocks,
    cells,
    layer,
    same_steps,
    stepped,
    three,
)
from grading.sandbox.proxy import model

# Task 1.3: the country


@check("1.3", says="the inputs, then a 1 at the country's place, at every step", weight=4)
def test_condition_values(student, solution, rng):
    for batch, length, dim, num_countries in ((2, 3, 4, 3), (3, 3, 1, 5), (1, 4, 2, 2)):
        inputs = rng.normal(size=(batch, length, dim)).astype("f4")
        countries = rng.integers(0, num_countries, batch).astype("i4")
        given = inputs, countries, num_countries
        assert_close(student.condition_on_country(*given), solution.condition_on_country(*given))


@check("1.3", says="the dtype is that of the inputs")
def test_condition_dtype(student):
    for dtype in ("float32", "float16"):
        inputs, countries = np.ones((2, 3, 1), dtype), np.array([1, 0], "i4")
        got = assert_array(student.condition_on_country(inputs, countries, 2), (2, 3, 3), "f")
        assert_holds(got.dtype == dtype, f"expected dtype {dtype}, got {got.dtype}")


@check("1.3", says="it works within a keras.Model, which knows neither batch nor length", weight=2)
def test_condition_model(student, rng):
    conditioned = model(student.build("conditioned", 2, 3))
    for batch, length in ((2, 1), (4, 3)):
        inputs = rng.normal(size=(batch, length, 2)).astype("f4")
        countries = np.arange(batch, dtype="i4") % 3
        want = np.eye(3, dtype="f4")[countries]
        got = assert_array(conditioned(inputs, countries), (batch, length, 5), "f")
        want = np.repeat(want[:, None], length, axis=1)
        assert_close(got, np.concatenate([inputs, want], axis=-1))


# Tasks 1.4 to 1.6: cells. `cells` gives the submission's cell and Keras's the same weights.


def draw(rng, batch, dim, units, num_states=1):
    """Draw inputs and states of a step, no two of which have the same sizes."""
    inputs = rng.normal(size=(batch, dim)).astype("f4")
    return inputs, [rng.normal(size=(batch, units)).astype("f4") for _ in range(num_states)]


def check_contract(student, kind, num_states=1, **settings):
    """Demand the right shapes, and that the output is the first new state."""
    cell = layer(student, kind, 5, units=4, **settings)
    for batch in (1, 3):
        states = [np.full((batch, 4), 0.5, "f4")] * num_states
        output, new_states = stepped(student, cell, np.ones((batch, 5), "f4"), states)
        with naming("the first new state should be the output"):
            assert_close(new_states[0], output)


def check_sequence(student, solution, own, reference, dim, rng):
    """Demand what Keras's RNN layer puts out at every step with Keras's cell."""
    ours, theirs = (
        model(code.build("walked", cell, dim))
        for code, cell in ((student, own), (solution, reference))
    )
    inputs = rng.normal(size=(3, 6, dim)).astype("f4")
    # sums of some ten products in another order, six times over: see `same_steps`
    assert_close(ours(inputs), theirs(inputs), atol=2e-5)


def check_training(student, solution, kind, rng, **settings):
    """Demand that one step of descent changes every weight of a cell."""
    cell, reference = cells(student, solution, kind, rng, 3, units=4, **settings)
    walked = model(student.build("walked", cell, 3))
    before = by_layer(cell, LAYER)
    inputs = rng.normal(size=(3, 5, 3)).astype("f4")
    student.build("descend", walked, inputs, rng.integers(0, 4, (3, 5)))
    assert_changed(before, by_layer(cell, LAYER), by_layer(reference, LAYER))


@check("1.4", says="an output and a list of one state, each (batch, units)")
def test_rnn_contract(student):
    check_contract(student, "RNNCell")


@check("1.4", says="one step is tanh(x · W + h · U + b)", weight=4)
def test_rnn_step(student, solution, rng):
    own, reference = cells(student, solution, "RNNCell", rng, 5, units=3)
    same_steps(student, solution, own, reference, draw(rng, 4, 5, 3))


@check("1.4", says="keras.layers.RNN walks it along a sequence", weight=2)
def test_rnn_sequence(student, solution, rng):
    own, reference = cells(student, solution, "RNNCell", rng, 5, units=4)
    check_sequence(student, solution, own, reference, 5, rng)


@check("1.4", says="training changes every weight")
def test_rnn_training(student, solution, rng):
    check_training(student, solution, "RNNCell", rng)


@check("1.5", says="an output and a list of two states, each (batch, units); the first is h'")
def test_lstm_contract(student):
    check_contract(student, "LSTMCell", 2)


@check("1.5", says="one step is as the formulas say, the blocks in their order", weight=4)
def test_lstm_step(student, solution, rng):
    own, reference = cells(student, solution, "LSTMCell", rng, 5, units=3)
    same_steps(student, solution, own, reference, draw(rng, 4, 5, 3, 2))


@check("1.5", says="keras.layers.RNN walks it along a sequence", weight=2)
def test_lstm_sequence(student, solution, rng):
    own, reference = cells(student, solution, "LSTMCell", rng, 5, units=4)
    check_sequence(student, solution, own, reference, 5, rng)


@check("1.5", says="training changes every weight")
def test_lstm_training(student, solution, rng):
    check_training(student, solution, "LSTMCell", rng)


@check("1.6", says="an output and a list of one state, each (batch, units), by either convention")
def test_gru_contract(student):
    for reset_after in (True, False):
        check_contract(student, "GRUCell", reset_after=reset_after)


@check("1.6", says="one step, the reset gate after the product, with both biases", weight=3)
def test_gru_step_after(student, solution, rng):
    own, reference = cells(student, solution, "GRUCell", rng, 5, units=3)
    same_steps(student, solution, own, reference, draw(rng, 4, 5, 3))


@check("1.6", says="one step, the reset gate before the product", weight=3)
def test_gru_step_before(student, solution, rng):
    settings = {"units": 3, "reset_after": False}
    own, reference = cells(student, solution, "GRUCell", rng, 5, **settings)
    same_steps(student, solution, own, reference, draw(rng, 4, 5, 3))


@check("1.6", says="keras.layers.RNN walks it along a sequence, by either convention", weight=2)
def test_gru_sequence(student, solution, rng):
    for reset_after in (True, False):
        settings = {"units": 4, "reset_after": reset_after}
        own, reference = cells(student, solution, "GRUCell", rng, 5, **settings)
        check_sequence(student, solution, own, reference, 5, rng)


@check("1.6", says="training changes every weight, by either convention")
def test_gru_training(student, solution, rng):
    for reset_after in (True, False):
        check_training(student, solution, "GRUCell", rng, reset_after=reset_after)


# Task 1.7: attention


def draw_heads(rng, batch, num_heads, queries, keys, head_dim):
    """Draw query, key and value."""
    return [
        rng.normal(size=(batch, num_heads, length, head_dim)).astype("f4")
        for length in (queries, keys, keys)
    ]


@check("1.7", says="the query's shape and dtype, float16 too, and about the right numbers")
def test_attention_contract(student, solution, rng):
    attend = attending(student)
    for dtype in ("float32", "float16"):
        heads = draw_heads(rng, 2, 3, 4, 4, 5)
        query, key, value = (x.astype(dtype) for x in heads)
        got = assert_array(attend(query, key, value), query.shape, "f")
        assert_holds(got.dtype == dtype, f"expected dtype {dtype}, got {got.dtype}")
        # some roundings, of 5e-4 each in float16, of values up to 3
        assert_close(got.astype("f4"), solution.causal_attention(*heads), atol=2e-2)


@check("1.7", says="softmax(Q · Kᵀ / √head_dim) · V, over the keys up to the query's", weight=4)
def test_attention_values(student, solution, rng):
    attend = attending(student)
    for sizes in ((2, 3, 5, 5, 4), (1, 1, 3, 3, 8), (3, 3, 3, 3, 3)):
        query, key, value = draw_heads(rng, *sizes)
        # sums of some ten products in another order: some tens of float32 roundings of 6e-8
        want = solution.causal_attention(query, key, value)
        assert_close(attend(query, key, value), want, atol=1e-5)


@check("1.7", says="a query sees nothing later, whatever it is", weight=2)
def test_attention_causality(student, rng):
    attend = attending(student)
    query, key, value = draw_heads(rng, 2, 2, 6, 6, 4)
    before = assert_array(attend(query, key, value), query.shape, "f")
    for later in (np.float32(100), np.float32(-100)):
        key[:, :, 4:], value[:, :, 4:] = later, later
        after = assert_array(attend(query, key, value), query.shape, "f")
        change = "other keys and values from position 4 on, for queries before it,"
        assert_same_after(change, after[:, :, :4], before[:, :, :4])
    key[:, :, 0] += 1
    after = assert_array(attend(query, key, value), query.shape, "f")
    moved = np.abs(after - before).max(axis=(0, 1, 3)) > 1e-3  # a key moved by 1: far more
    assert_holds(moved[1] and moved[3], "a query should see the keys before it")


@check("1.7", says="positions say how far each query sees", weight=3)
def test_attention_positions(student, solution, rng):
    attend = attending(student)
    for queries, keys in ((1, 6), (3, 5), (4, 4)):
        query, key, value = draw_heads(rng, 3, 2, queries, keys, 4)
        positions = rng.integers(0, keys, (3, queries)).astype("i4")
        got = attend(query, key, value, positions)
        assert_close(got, solution.causal_attention(query, key, value, positions), atol=1e-5)


@check("1.7", says="it works within a keras.Model, which knows neither batch nor lengths")
def test_attention_model(student, solution, rng):
    attending(student)
    layer_of_it = model(student.build("attention_model", 2, 4))
    for batch, queries, keys in ((3, 1, 5), (2, 4, 4)):
        query, key, value = draw_heads(rng, batch, 2, queries, keys, 4)
        positions = np.sort(rng.integers(0, keys, (batch, queries))).astype("i4")
        got = layer_of_it(query, key, value, positions)
        assert_close(got, solution.causal_attention(query, key, value, positions), atol=1e-5)


# Task 1.8: a block. Its sums are longer, and normalised between: hence tolerances of 2e-5 where
# two ways to the same outputs, of some units, are compared. JAX compiles every operation that it
# meets: hence `cpu`.


@check("1.8", says="outputs, keys and values, each (batch, length, dim)", cpu=30)
def test_block_contract(student, rng):
    block = layer(student, "TransformerBlock", 6, num_heads=3)
    for batch, length in ((2, 4), (1, 1)):
        three(block(rng.normal(size=(batch, length, 6)).astype("f4")), batch, length, length, 6)
    cache = [np.zeros((2, 5, 6), "f4")] * 2
    position, inputs = np.array([[0], [3]], "i4"), np.ones((2, 1, 6), "f4")
    three(student.build("block_step", block, inputs, cache, position), 2, 1, 5, 6)


@check(
    "1.8",
    says="x + Attention(norm_1(x)), then x + FeedForward(norm_2(x)), by heads",
    weight=4,
    cpu=30,
)
def test_block_values(student, solution, rng):
    for num_heads, dim in ((2, 8), (3, 6)):
        own, same = blocks(student, solution, rng, dim, num_heads)
        inputs = rng.normal(size=(3, 5, dim)).astype("f4")
        got = three(own(inputs), 3, 5, 5, dim)
        assert_each(BLOCK, got, same(inputs), atol=2e-5)


@check("1.8", says="outputs depend only on their row, up to their own position", cpu=30)
def test_block_causality(student, rng):
    block = layer(student, "TransformerBlock", 8, num_heads=2)
    randomize(block, rng)
    inputs = rng.normal(size=(3, 6, 8)).astype("f4")
    before = three(block(inputs), 3, 6, 6, 8)[0]
    other = inputs.copy()
    other[:2, 4:] = rng.normal(size=(2, 2, 8))
    after = three(block(other), 3, 6, 6, 8)[0]
    change = "other inputs from position 4 on"
    assert_same_after(f"{change}, for outputs before it,", after[:, :4], before[:, :4], atol=2e-5)
    assert_same_after(f"{change} of other rows", after[2], before[2], atol=2e-5)


@check(
    "1.8",
    says="position by position, from a cache of zeros: the outputs of the whole",
    weight=3,
    cpu=30,
)
def test_block_cache(student, rng):
    block = layer(student, "TransformerBlock", 8, num_heads=2)
    randomize(block, rng)
    inputs = rng.normal(size=(3, 5, 8)).astype("f4")
    whole, keys, values = three(block(inputs), 3, 5, 5, 8)
    cache = [np.zeros((3, 7, 8), "f4")] * 2  # longer than what will be in it
    for t in range(5):
        position = np.full((3, 1), t, "i4")
        answer = student.build("block_step", block, inputs[:, t : t + 1], cache, position)
        outputs, *cache = three(answer, 3, 1, 7, 8)
        with naming(f"outputs at position {t}"):
            said = "the call gives", "the step gives"
            assert_close(outputs[:, 0], whole[:, t], atol=2e-5, said=said)
    names = (f"{part} in the cache after all steps" for part in BLOCK[1:])
    assert_each(names, (part[:, :5] for part in cache), (keys, values), atol=2e-5)


@check("1.8", says="the cache, with the new keys and values at the position", weight=2, cpu=30)
def test_block_cache_kept(student, solution, rng):
    own, same = blocks(student, solution, rng, 6, 2)
    cache = [rng.normal(size=(3, 5, 6)).astype("f4") for _ in range(2)]
    for place in (0, 2, 4):
        inputs, position = rng.normal(size=(3, 1, 6)).astype("f4"), np.full((3, 1), place, "i4")
        answer = student.build("block_step", own, inputs, cache, position)
        got = three(answer, 3, 1, 5, 6)
        want = solution.build("block_step", same, inputs, cache, position)
        assert_each(BLOCK, got, want, atol=2e-5)
        others = np.arange(5) != place
        for part, new, old in zip(BLOCK[1:], got[1:], cache, strict=True):
            kept = (new[:, others] == old[:, others]).all()
            assert_holds(kept, f"{part} of the cache changed at other positions than {place}")


@check("1.8", says="training changes every weight", cpu=30)
def test_block_training(student, solution, rng):
    block, same = blocks(student, solution, rng, 6, 2)
    whole = model(student.build("block_model", block, 6))
    before = by_layer(block, LAYER)
    inputs = rng.normal(size=(3, 5, 6)).astype("f4")
    student.build("descend", whole, inputs, rng.integers(0, 6, (3, 5)))
    assert_changed(before, by_layer(block, LAYER), by_layer(same, LAYER))
