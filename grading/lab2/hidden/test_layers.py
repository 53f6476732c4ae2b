"""Tasks 2.7 and 2.9 to 2.12: attention, positions, the Transformer's blocks."""

import numpy as np

from grading.checks.assertions import assert_array, assert_close, assert_holds, assert_raises, check
from grading.checks.networks import floats, randomize, randomize_both, silence
from grading.lab2.hidden.oracles import additive, look_up
from grading.lab2.networks import (
    LAYER,
    arrays,
    assert_own_attention,
    assert_zero_outside,
    attended,
    layer,
    memory_of,
    project,
    step_all,
    tokens,
)


def holes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw a mask with True and False in every row, anywhere; rows of two or more."""
    order = rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
    return (order == 0) | (order > 1) & (rng.random(shape) < 0.5)


# Task 2.7: additive attention


@check("2.7", says="weights and context, for any sizes and masks", weight=2, hidden=True)
def test_additive_random(student, rng):
    for _ in range(2):
        batch, target, source, width, depth, units = (int(n) for n in rng.permutation(6) + 2)
        states, memory = floats(rng, batch, target, width), floats(rng, batch, source, depth)
        mask = holes(rng, batch, source)
        attention = layer(student, "AdditiveAttention", units)
        attention(states, memory, mask)
        randomize(attention, rng)
        want = additive(attention, units, states, memory, mask)
        got = attended(attention(states, memory, mask), *(one.shape for one in want))
        assert_zero_outside(got[1], mask[:, None])
        for one, other in zip(got, want, strict=True):
            assert_close(one, other, atol=1e-5)


@check("2.7", says="weights are float32 and exactly 0 at padding, whatever the dtype", hidden=True)
def test_additive_half(student, rng):
    mask = holes(rng, 3, 6)
    inputs = floats(rng, 3, 4, 5), floats(rng, 3, 6, 7), mask
    assert_own_attention(student, "AdditiveAttention", 4)
    got = student.build("in_half_precision", "AdditiveAttention", [4], *inputs)
    _, weights = attended(got, (3, 4, 7), (3, 4, 6))
    assert_zero_outside(weights, mask[:, None])


# Task 2.9: positions


@check("2.9", says="P[p, 2i] and P[p, 2i + 1] for any size", weight=2, hidden=True)
def test_positions_random(student, rng):
    length, pairs = int(rng.integers(20, 60)), int(rng.integers(3, 20))
    table = assert_array(student.sinusoidal_positions(length, 2 * pairs), (length, 2 * pairs), "f")
    for i in range(pairs):
        angles = np.arange(length) / 10000 ** (2 * i / (2 * pairs))
        # angles of up to 60 in float32 are good to 4e-6
        assert_close(table[:, 2 * i], np.sin(angles), atol=2e-5)
        assert_close(table[:, 2 * i + 1], np.cos(angles), atol=2e-5)


@check("2.9", says="float32; an odd depth raises ValueError", hidden=True)
def test_positions_odd(student, rng):
    length, depth = int(rng.integers(1, 20)), 2 * int(rng.integers(1, 20))
    table = assert_array(student.sinusoidal_positions(length, depth), (length, depth), "f")
    assert_holds(table.dtype == "float32", "not float32")
    assert_raises(ValueError, student.sinusoidal_positions, length, depth + 1)


# Task 2.10: multi-head attention


@check("2.10", says="output and weights, for any sizes and masks", weight=3, hidden=True)
def test_heads_random(student, rng):
    for num_heads in (1, int(rng.integers(2, 4))):
        d_model, (batch, target, source) = 4 * num_heads, (int(n) for n in rng.permutation(3) + 3)
        queries, context = floats(rng, batch, target, d_model), floats(rng, batch, source, d_model)
        sizes = ("MultiHeadAttention", d_model, num_heads)
        attention, mask = layer(student, *sizes), holes(rng, batch, source)
        attention(queries, context, mask)
        randomize(attention, rng)
        want = look_up(attention, queries, context, mask[:, None], num_heads)
        got = attended(attention(queries, context, mask), *(one.shape for one in want))
        for one, other in zip(got, want, strict=True):
            assert_close(one, other, atol=1e-5)


@check("2.10", says="causal: no weight on later positions, exactly", weight=2, hidden=True)
def test_heads_causal(student, rng):
    target, source = int(rng.integers(3, 7)), int(rng.integers(3, 7))
    queries, context = floats(rng, 3, target, 8), floats(rng, 3, source, 8)
    mask = holes(rng, 3, source)
    mask[:, :2] = True, False  # a row needs something to look at, and something not to
    attention = layer(student, "MultiHeadAttention", 8, 4, causal=True)
    attention(queries, context, mask)
    randomize(attention, rng)
    allowed = mask[:, None] & (np.arange(source) <= np.arange(target)[:, None])
    want = look_up(attention, queries, context, allowed, 4)
    got = attended(attention(queries, context, mask), *(one.shape for one in want))
    assert_zero_outside(got[1], allowed[:, None])
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, atol=1e-5)


@check("2.10", says="project and attend, with a mask of its own for each query", hidden=True)
def test_heads_cached(student, rng):
    attention = layer(student, "MultiHeadAttention", 6, 3)
    queries, context, mask = floats(rng, 2, 5, 6), floats(rng, 2, 7, 6), holes(rng, 2, 5, 7)
    attention(queries, context, mask[:, 0])
    randomize(attention, rng)
    projected = [project(attention, part, context, 3) for part in ("key", "value")]
    got = student.build("do", attention, "project", context)
    for one, other in zip(arrays(got, *(one.shape for one in projected)), projected, strict=True):
        assert_close(one, other, atol=1e-5)
    keys, values = (one.astype("f4") for one in projected)
    want = look_up(attention, queries, context, mask, 3)
    got = student.build("do", attention, "attend", queries, keys, values, mask)
    for one, other in zip(attended(got, *(one.shape for one in want)), want, strict=True):
        assert_close(one, other, atol=1e-5)


@check("2.10", says="weights are float32 and exactly 0, whatever the dtype", hidden=True)
def test_heads_half(student, rng):
    mask = holes(rng, 3, 6)
    inputs = floats(rng, 3, 4, 8), floats(rng, 3, 6, 8), mask
    assert_own_attention(student, "MultiHeadAttention", 8, 2)
    got = student.build("in_half_precision", "MultiHeadAttention", [8, 2], *inputs)
    _, weights = attended(got, (3, 4, 8), (3, 2, 4, 6))
    assert_zero_outside(weights, mask[:, None, None])


# Task 2.11: the encoder's block


@check("2.11", says="both sub-layers, for any sizes", weight=2, hidden=True)
def test_encoder_random(student, solution, rng):
    batch, length, heads, ff_dim = (int(n) for n in rng.permutation(4) + 2)
    x, mask = floats(rng, batch, length, 4 * heads), holes(rng, batch, length)
    sizes = ("EncoderBlock", 4 * heads, heads, ff_dim)
    block, wanted = layer(student, *sizes), layer(solution, *sizes)
    block(x, mask)
    wanted(x, mask)
    randomize_both(block, wanted, LAYER, rng)
    assert_close(block(x, mask), wanted(x, mask), atol=1e-5)


def dropped(block, inputs: tuple, silent: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Tell which numbers of one sub-layer's result were dropped; demand that the rest doubled."""
    randomize(block, rng)
    silence(block, *silent)
    x = inputs[0]
    one, other = block(*inputs), block(*inputs, training=True)
    one, other = (a[0] if type(a) in (list, tuple) and a else a for a in (one, other))
    found = assert_array(one, x.shape, "f") - x
    changed = assert_array(other, x.shape, "f") - x
    lost = np.abs(changed) < 1e-6
    # differences of numbers of up to 10: a few of their roundings
    same = np.abs(np.where(lost, 0, changed - 2 * found)) < 1e-4
    assert_holds(same.all(), "what is dropped is not a sub-layer's result")
    return lost


@check("2.11", says="dropout of each sub-layer's result, in training only", hidden=True)
def test_encoder_dropout(student, rng):
    inputs = floats(rng, 8, 8, 8), tokens((8,) * 8, 8)
    block = layer(student, "EncoderBlock", 8, 2, 12, 0.5)
    block(*inputs)
    for silent in ("output_projection", "contract"):
        # 512 choices with probability 0.5: 0.14 is more than six deviations
        share = dropped(block, inputs, (silent,), rng).mean()
        assert_holds(abs(share - 0.5) < 0.14, "the wrong share is dropped")


# Task 2.12: the decoder's block


@check("2.12", says="the call, for any sizes", weight=2, hidden=True)
def test_decoder_random(student, solution, rng):
    batch, target, source, heads, ff_dim = (int(n) for n in rng.permutation(5) + 2)
    x, memory = floats(rng, batch, target, 4 * heads), floats(rng, batch, source, 4 * heads)
    mask, sizes = holes(rng, batch, source), ("DecoderBlock", 4 * heads, heads, ff_dim)
    block, wanted = layer(student, *sizes), layer(solution, *sizes)
    block(x, memory, mask)
    want = wanted(x, memory, mask)
    randomize_both(block, wanted, LAYER, rng)
    want = wanted(x, memory, mask)
    got = attended(block(x, memory, mask), *(one.shape for one in want))
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, atol=1e-5)


@check("2.12", says="step agrees with the call, position by position", weight=2, hidden=True)
def test_decoder_random_steps(student, rng):
    target, source = int(rng.integers(3, 7)), int(rng.integers(3, 7))
    x, memory, mask = floats(rng, 2, target, 6), floats(rng, 2, source, 6), holes(rng, 2, source)
    block = layer(student, "DecoderBlock", 6, 3, 5)
    block(x, memory, mask)
    randomize(block, rng)
    want, _ = attended(block(x, memory, mask), x.shape, (2, 3, target, source))
    got = step_all(student, block, rng, x, memory, mask, target + int(rng.integers(3)), 3)
    assert_close(got, want, atol=1e-5)


@check("2.12", says="a position of its own for each row in a step", hidden=True)
def test_decoder_rows(student, solution, rng):
    x, memory, mask = floats(rng, 4, 1, 8), floats(rng, 4, 5, 8), holes(rng, 4, 5)
    block, wanted = (layer(code, "DecoderBlock", 8, 2, 12) for code in (student, solution))
    block(x, memory, mask)
    wanted(x, memory, mask)
    randomize_both(block, wanted, LAYER, rng)
    caches = [floats(rng, 4, 6, 2, 4) for _ in range(2)]
    places = rng.permutation(6)[:4, None].astype("i4")
    given = (x, places, *caches, *memory_of(wanted, memory, 2), mask)
    got = student.build("do", block, "step", *given)
    got = arrays(got, x.shape, caches[0].shape, caches[1].shape)
    for one, want in zip(got, solution.build("do", wanted, "step", *given), strict=True):
        assert_close(one, want, atol=1e-5)


@check("2.12", says="dropout of each sub-layer's result, in training only", hidden=True)
def test_decoder_dropout(student, rng):
    inputs = floats(rng, 8, 8, 8), floats(rng, 8, 4, 8), tokens((4,) * 8, 4)
    block = layer(student, "DecoderBlock", 8, 2, 12, 0.5)
    block(*inputs)
    parts = ["self_attention_output_projection", "cross_attention_output_projection", "contract"]
    for part in parts:
        silent = tuple(other for other in parts if other != part)
        # 512 choices with probability 0.5: 0.14 is more than six deviations
        share = dropped(block, inputs, silent, rng).mean()
        assert_holds(abs(share - 0.5) < 0.14, "the wrong share is dropped")
