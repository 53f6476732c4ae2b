"""Tasks 2.7 and 2.9 to 2.12: attention, positions, the Transformer's blocks."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_close,
    assert_each,
    assert_equal,
    assert_raises,
    assert_same_after,
    check,
    naming,
)
from grading.checks.networks import assert_same_in_steps, floats, randomize, randomize_both
from grading.lab2.networks import (
    LAYER,
    arrays,
    assert_gradient,
    assert_zero_outside,
    attended,
    layer,
    layers,
    step_all,
    tokens,
)

# The same sums in another order differ by some tens of float32 roundings of 6e-8, on values of
# about 1 to 10: hence 1e-5 where two ways to the same numbers are compared.

# Task 2.7: additive attention


@check("2.7", says="a list of context and weights, of any widths; weights are float32")
def test_additive_contract(student, rng):
    for units, width, depth in ((4, 5, 7), (6, 3, 3)):
        attention = layer(student, "AdditiveAttention", units)
        mask = tokens((6, 2, 4), 6)
        got = attention(floats(rng, 3, 5, width), floats(rng, 3, 6, depth), mask)
        attended(got, (3, 5, depth), (3, 5, 6))


@check("2.7", says="weights and context as the formula says", weight=3)
def test_additive_values(student, solution, rng):
    inputs = floats(rng, 3, 5, 6), floats(rng, 3, 7, 8), tokens((7, 2, 4), 7)
    attention, same = layers(student, solution, rng, inputs, "AdditiveAttention", 4)
    got = attended(attention(*inputs), (3, 5, 8), (3, 5, 7))
    assert_each(("weights", "context"), got[::-1], same(*inputs)[::-1], atol=1e-5)


@check("2.7", says="weights sum to 1 and are 0 at padding, which makes no difference", weight=2)
def test_additive_mask(student, rng):
    attention = layer(student, "AdditiveAttention", 4)
    states, memory, mask = floats(rng, 3, 5, 6), floats(rng, 3, 7, 8), tokens((6, 1, 4), 7)
    attention(states, memory, mask)
    randomize(attention, rng)
    context, weights = attended(attention(states, memory, mask), (3, 5, 8), (3, 5, 7))
    assert_zero_outside(weights, mask[:, None])
    other = np.where(mask[:, :, None], memory, floats(rng, 3, 7, 8) * 10)
    got = attended(attention(states, other, mask), (3, 5, 8), (3, 5, 7))
    assert_same_after("another memory at padding", got[0], context, atol=1e-5)
    narrow = attended(attention(states, memory[:, :6], mask[:, :6]), (3, 5, 8), (3, 5, 6))
    change = "cutting off the last column of memory, padding in every row,"
    assert_same_after(change, narrow[0], context, atol=1e-5)


@check("2.7", says="every weight gets its gradient")
def test_additive_gradient(student, solution, rng):
    inputs = floats(rng, 3, 5, 6), floats(rng, 3, 7, 8), tokens((7, 2, 4), 7)
    assert_gradient(student, solution, "AdditiveAttention", (4,), inputs, rng)


# Task 2.9: positions; angles of up to 30 in float32 are good to 2e-6


@check("2.9", says="float32 (length, depth); an odd depth raises ValueError")
def test_positions_contract(student):
    for length, depth in ((5, 4), (1, 2), (0, 6)):
        table = assert_array(student.sinusoidal_positions(length, depth), (length, depth), "f")
        assert_equal(table.dtype.name, "float32")
    for depth in (1, 7):
        assert_raises(ValueError, student.sinusoidal_positions, 5, depth)


@check("2.9", says="sines and cosines alternate, the first position is 0", weight=3)
def test_positions_values(student, solution):
    for length, depth in ((3, 4), (20, 2), (30, 12)):
        got = student.sinusoidal_positions(length, depth)
        assert_close(got, solution.sinusoidal_positions(length, depth), atol=1e-5)


# Task 2.10: multi-head attention


@check("2.10", says="a list of output and weights, float32; heads must divide d_model")
def test_heads_contract(student, rng):
    for d_model, num_heads, causal in ((8, 2, False), (6, 3, True), (4, 1, False)):
        attention = layer(student, "MultiHeadAttention", d_model, num_heads, causal=causal)
        queries, context = floats(rng, 3, 4, d_model), floats(rng, 3, 5, d_model)
        got = attention(queries, context, tokens((5, 2, 3), 5))
        attended(got, (3, 4, d_model), (3, num_heads, 4, 5))
    assert_raises(ValueError, student.MultiHeadAttention, 8, 3)


@check("2.10", says="softmax(Q Kᵀ / √head_dim) V, through the output kernel", weight=3)
def test_heads_values(student, solution, rng):
    inputs = floats(rng, 3, 4, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    attention, same = layers(student, solution, rng, inputs, "MultiHeadAttention", 8, 2)
    got = attended(attention(*inputs), (3, 4, 8), (3, 2, 4, 6))
    assert_each(("weights", "output"), got[::-1], same(*inputs)[::-1], atol=1e-5)


@check("2.10", says="weights are 0 where the mask is False and, if causal, later", weight=2)
def test_heads_mask(student, solution, rng):
    x, mask = floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    for causal in (False, True):
        sizes = ("MultiHeadAttention", 8, 2, causal)
        attention, same = layers(student, solution, rng, (x, x, mask), *sizes)
        allowed = mask[:, None] & (np.tri(6, dtype=bool) | (not causal))
        _, want = same(x, x, mask)
        output, weights = attended(attention(x, x, mask), x.shape, want.shape)
        later = "comes later or is padding" if causal else "is padding, where the mask is False"
        assert_zero_outside(weights, allowed[:, None], later)
        with naming("weights"):
            assert_close(weights, want, atol=1e-5)
        other = np.where(mask[:, :, None], x, 10 * x)
        after, _ = attended(attention(x, other, mask), x.shape, want.shape)
        assert_same_after("another context at padding", after, output, atol=1e-5)


@check("2.10", says="project gives keys and values, attend looks up among them", weight=2)
def test_heads_parts(student, solution, rng):
    queries, context, mask = floats(rng, 3, 4, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    sizes = ("MultiHeadAttention", 8, 2)
    attention, same = layers(student, solution, rng, (queries, context, mask), *sizes)
    projected = solution.build("do", same, "project", context)
    got = student.build("do", attention, "project", context)
    got = arrays(got, *(one.shape for one in projected))
    assert_each(("keys", "values"), got, projected, atol=1e-5)
    for mask in (tokens((6, 2, 3), 6)[:, None], rng.random((3, 4, 6)) < 0.5):
        mask[:, :, 0] = True
        given = ("attend", queries, *projected, mask)
        want = solution.build("do", same, *given)
        got = attended(student.build("do", attention, *given), *(one.shape for one in want))
        assert_each(("output", "weights"), got, want, atol=1e-5)


@check("2.10", says="in a keras.Model, where sizes are not known yet, it gives the same")
def test_heads_in_a_model(student, rng):
    inputs = floats(rng, 3, 4, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    attention, shapes = (
        layer(student, "MultiHeadAttention", 8, 2, causal=True),
        ((3, 4, 8), (3, 2, 4, 6)),
    )
    want = attended(attention(*inputs), *shapes)
    got = attended(student.build("in_model", attention, "call", *inputs), *shapes)
    assert_each(("output", "weights"), got, want, atol=1e-5)


@check("2.10", says="every weight gets its gradient")
def test_heads_gradient(student, solution, rng):
    x = floats(rng, 3, 5, 8)
    inputs = (x, x, tokens((5, 2, 4), 5))
    assert_gradient(student, solution, "MultiHeadAttention", (8, 2, True), inputs, rng)


# Task 2.11: the encoder's block


@check("2.11", says="two sub-layers, each normalised first and added", weight=3)
def test_encoder_values(student, solution, rng):
    x, mask = floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    block, wanted = (layer(code, "EncoderBlock", 8, 2, 12) for code in (student, solution))
    assert_array(block(x, mask), x.shape, "f")
    wanted(x, mask)
    randomize_both(block, wanted, LAYER, rng)
    assert_close(block(x, mask), wanted(x, mask), atol=1e-5)


@check("2.11", says="padding changes nothing at the tokens")
def test_encoder_padding(student, rng):
    x, mask = floats(rng, 3, 6, 8), tokens((5, 2, 3), 6)
    block = layer(student, "EncoderBlock", 8, 2, 12)
    block(x, mask)
    randomize(block, rng)
    before = assert_array(block(x, mask), x.shape, "f")
    other = np.where(mask[:, :, None], x, floats(rng, *x.shape))
    after = assert_array(block(other, mask), x.shape, "f")
    change = "other inputs at padding, for outputs at tokens,"
    assert_same_after(change, after[mask], before[mask], atol=1e-5)
    change = "cutting off the last position, padding in every row,"
    assert_same_after(change, block(x[:, :5], mask[:, :5]), before[:, :5], atol=1e-5)


@check("2.11", says="every weight gets its gradient")
def test_encoder_gradient(student, solution, rng):
    inputs = floats(rng, 3, 5, 8), tokens((5, 2, 4), 5)
    assert_gradient(student, solution, "EncoderBlock", (8, 2, 12), inputs, rng)


# Task 2.12: the decoder's block


@check("2.12", says="three sub-layers; the cross-attention's weights come back too", weight=3)
def test_decoder_values(student, solution, rng):
    x, memory, mask = floats(rng, 3, 4, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    block, wanted = (layer(code, "DecoderBlock", 8, 2, 12) for code in (student, solution))
    shapes = (3, 4, 8), (3, 2, 4, 6)
    attended(block(x, memory, mask), *shapes)
    wanted(x, memory, mask)
    randomize_both(block, wanted, LAYER, rng)
    got = attended(block(x, memory, mask), *shapes)
    assert_each(("output", "weights"), got, wanted(x, memory, mask), atol=1e-5)


@check("2.12", says="what comes later changes nothing, nor does the memory at padding")
def test_decoder_causality(student, rng):
    x, memory, mask = floats(rng, 3, 5, 8), floats(rng, 3, 6, 8), tokens((5, 2, 3), 6)
    block, shapes = layer(student, "DecoderBlock", 8, 2, 12), ((3, 5, 8), (3, 2, 5, 6))
    block(x, memory, mask)
    randomize(block, rng)
    before, weights = attended(block(x, memory, mask), *shapes)
    assert_zero_outside(weights, mask[:, None, None])
    later = x.copy()
    later[:, 3:] = floats(rng, 3, 2, 8)
    after = attended(block(later, memory, mask), *shapes)[0]
    change = "other inputs from position 3 on, for outputs before it,"
    assert_same_after(change, after[:, :3], before[:, :3], atol=1e-5)
    other = np.where(mask[:, :, None], memory, floats(rng, 3, 6, 8))
    after = attended(block(x, other, mask), *shapes)[0]
    assert_same_after("another memory at padding", after, before, atol=1e-5)


@check("2.12", says="step gives for each position what call gives", weight=3)
def test_decoder_steps(student, rng):
    x, memory, mask = floats(rng, 3, 5, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    block = layer(student, "DecoderBlock", 8, 2, 12)
    block(x, memory, mask)
    randomize(block, rng)
    want, _ = attended(block(x, memory, mask), (3, 5, 8), (3, 2, 5, 6))
    assert_same_in_steps(step_all(student, block, rng, x, memory, mask, 7, 2), want, atol=1e-5)


@check("2.12", says="step writes keys and values at its position and nowhere else", weight=2)
def test_decoder_cache(student, solution, rng):
    x, memory, mask = floats(rng, 3, 1, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    block, wanted = (layer(code, "DecoderBlock", 8, 2, 12) for code in (student, solution))
    block(x, memory, mask)
    wanted(x, memory, mask)
    randomize_both(block, wanted, LAYER, rng)
    for place in (0, 2, 4):
        caches = [floats(rng, 3, 5, 2, 4) for _ in range(2)]
        keys, values = floats(rng, 3, 6, 2, 4), floats(rng, 3, 6, 2, 4)
        states = [*caches, keys, values, mask]
        given = (x, np.full((3, 1), place, "i4"), *states)
        got = student.build("do", block, "step", *given)
        got = arrays(got, x.shape, caches[0].shape, caches[1].shape)
        want = solution.build("do", wanted, "step", *given)
        assert_each(("output", "keys", "values"), got, want, atol=1e-5)


@check("2.12", says="in a keras.Model, where sizes are not known yet, call and step give the same")
def test_decoder_in_a_model(student, rng):
    x, memory, mask = floats(rng, 3, 1, 8), floats(rng, 3, 6, 8), tokens((6, 2, 3), 6)
    block, shapes = layer(student, "DecoderBlock", 8, 2, 12), ((3, 1, 8), (3, 2, 1, 6))
    want = attended(block(x, memory, mask), *shapes)
    got = attended(student.build("in_model", block, "call", x, memory, mask), *shapes)
    assert_each(("output", "weights"), got, want, atol=1e-5)
    keys = [floats(rng, 3, length, 2, 4) for length in (5, 5, 6, 6)]
    given = x, np.full((3, 1), 2, "i4"), *keys, mask
    cached = x.shape, keys[0].shape, keys[1].shape
    want = arrays(student.build("do", block, "step", *given), *cached)
    got = arrays(student.build("in_model", block, "step", *given), *cached)
    assert_each(("output", "keys", "values"), got, want, atol=1e-5)


@check("2.12", says="every weight gets its gradient")
def test_decoder_gradient(student, solution, rng):
    inputs = floats(rng, 3, 4, 8), floats(rng, 3, 5, 8), tokens((5, 2, 4), 5)
    assert_gradient(student, solution, "DecoderBlock", (8, 2, 12), inputs, rng)
