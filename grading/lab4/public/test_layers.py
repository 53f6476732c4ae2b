"""Tasks 4.7 to 4.11, 4.13 and 4.14: distances, the cache, attention, the norm, block and model."""

import math

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_arrays,
    assert_close,
    assert_each,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_raises,
    assert_same_after,
    check,
    float32,
    naming,
)
from grading.checks.losses import assert_untrained
from grading.checks.networks import (
    assert_changed,
    assert_same_in_steps,
    by_layer,
    floats,
    randomize,
)
from grading.lab4.networks import (
    LAYER,
    assert_gradient,
    assert_own_layer,
    continue_by_steps,
    float16,
    layer,
    network,
    pair,
    seen_by,
)

# The same sums in another order differ by some tens of float32 roundings of 6e-8, on values of
# about 1 to 10: hence 1e-5 where two ways to the same numbers are compared.
ATOL = 1e-5

PARTS = ("output", "keys", "values")


def after_reading(primer, slots):
    """Say of steps in whatever fails here what they begin after: their positions count from 0."""
    return naming(f"of the steps after {primer} positions were read, {slots} slots")


# Task 4.7: relative logits by the definition; what stands at later keys is not looked at


def assert_relative(student, solution, rng, *sizes):
    batch, target, heads, dim, source, largest = sizes
    queries, embeddings = floats(rng, batch, target, heads, dim), floats(rng, largest + 1, dim)
    got = student.relative_logits(queries, embeddings, source)
    got = float32(got, (batch, heads, target, source))
    want = solution.relative_logits(queries, embeddings, source)
    seen = seen_by(target, source)
    assert_close(np.where(seen, got, want), want, atol=ATOL)


@check("4.7", says="float32 (batch, heads, T, S)")
def test_relative_contract(student, rng):
    for batch, target, heads, dim, source in ((2, 4, 3, 5, 4), (1, 1, 1, 2, 6), (3, 2, 2, 4, 5)):
        queries, embeddings = floats(rng, batch, target, heads, dim), floats(rng, 3, dim)
        got = student.relative_logits(queries, embeddings, source)
        float32(got, (batch, heads, target, source))


@check("4.7", says="q · E[d] for each distance d", weight=3)
def test_relative_values(student, solution, rng):
    for sizes in ((2, 5, 3, 4, 5, 4), (1, 1, 1, 2, 1, 0), (2, 6, 1, 3, 6, 9)):
        assert_relative(student, solution, rng, *sizes)


@check("4.7", says="distances beyond D count as D", weight=2)
def test_relative_clipped(student, solution, rng):
    for largest in (0, 1, 3):
        assert_relative(student, solution, rng, 2, 7, 2, 4, 7, largest)


@check("4.7", says="the queries are the last of the positions", weight=2)
def test_relative_last(student, solution, rng):
    for target, source, largest in ((1, 6, 9), (3, 8, 4), (2, 3, 1)):
        assert_relative(student, solution, rng, 2, target, 2, 3, source, largest)


# Task 4.8: the skew


def assert_skewed(student, solution, scores):
    got, want = float32(student.skew(scores), scores.shape), solution.skew(scores)
    assert_close(np.where(seen_by(*scores.shape[2:]), got, want), want, atol=0)


def numbered(*shape):
    """Scores that are all different, and whole."""
    return np.arange(1, math.prod(shape) + 1, dtype="f4").reshape(shape)


@check("4.8", says="float32 (batch, heads, T, S)")
def test_skew_contract(student, rng):
    for shape in ((1, 1, 1, 1), (2, 3, 4, 4), (3, 2, 1, 5), (1, 4, 3, 7)):
        float32(student.skew(floats(rng, *shape)), shape)


@check("4.8", says="scores by distance become scores by key", weight=3)
def test_skew_square(student, solution):
    got = float32(student.skew(numbered(1, 1, 3, 3)), (1, 1, 3, 3))[0, 0]
    want = np.array([[3, 0, 0], [5, 6, 0], [7, 8, 9]])
    assert_equal(np.tril(got).astype(int), want)
    for size in (1, 2, 5):
        assert_skewed(student, solution, numbered(1, 1, size, size))


@check("4.8", says="also with fewer queries than keys", weight=2)
def test_skew_last(student, solution):
    for target, source in ((1, 4), (2, 5), (4, 5)):
        assert_skewed(student, solution, numbered(1, 1, target, source))


@check("4.8", says="pieces and heads keep apart", weight=2)
def test_skew_batches(student, solution):
    for shape in ((2, 1, 3, 3), (1, 3, 2, 4), (3, 2, 3, 5)):
        assert_skewed(student, solution, numbered(*shape))


# Task 4.9: the cache


@check("4.9", says="write: the row in its slot, the other slots as they were", weight=2)
def test_cache_write(student, solution, rng):
    for batch, heads, slots, dim in ((2, 3, 4, 5), (1, 1, 1, 2)):
        new, row = floats(rng, batch, heads, slots, dim), floats(rng, batch, 1, heads, dim)
        for slot in {0, slots // 2, slots - 1}:
            want = solution.build("cache", 4, "write", new, row, slot)
            for given in (slot, np.array(slot, "i4")):  # in a while_loop it is a tensor
                got = student.build("cache", 4, "write", new, row, given)
                assert_close(float32(got, new.shape), want)


@check("4.9", says="distances: old part first, negative after the slot", weight=2)
def test_cache_distances(student, solution):
    assert_equal(student.build("cache", 9, "distances", 3, 4, 1), np.array([4, 3, 2, 1, 0, -1, -2]))
    for old, slots, slot in ((0, 3, 0), (5, 1, 0), (2, 6, 5)):
        want = solution.build("cache", 4, "distances", old, slots, slot)
        for given in (slot, np.array(slot, "i4")):
            assert_equal(student.build("cache", 4, "distances", old, slots, given), want)


@check("4.9", says="move: the last window - 1 positions of both parts, in order", weight=3)
def test_cache_move(student, solution, rng):
    for window, old, new in ((5, 3, 4), (5, 0, 2), (5, 2, 2), (3, 9, 1), (9, 3, 2), (1, 2, 2)):
        parts = floats(rng, 2, 3, old, 4), floats(rng, 2, 3, new, 4)
        want = solution.build("cache", window, "move", *parts)
        assert_close(float32(student.build("cache", window, "move", *parts), want.shape), want)


# Task 4.10: relative attention


@check("4.10", says="shapes and weights as stated")
def test_attention_contract(student, rng):
    for d_model, heads, largest, window in ((8, 2, 5, 4), (6, 3, 1, 9)):
        attention = layer(student, "RelativeAttention", d_model, heads, largest, window)
        for length in (1, 5):
            float32(attention(floats(rng, 2, length, d_model)), (2, length, d_model))
        dim = d_model // heads
        x = floats(rng, 2, 3, d_model)
        kept = (2, heads, 3, dim)
        answer = student.build("do", attention, "read", x)
        assert_arrays(answer, output=x.shape, keys=kept, values=kept)
        new = np.zeros((2, heads, 2, dim), "f4")
        answer = student.build("do", attention, "step", x[:, :1], 0, new, new, new, new)
        assert_arrays(answer, output=(2, 1, d_model), new_keys=new.shape, new_values=new.shape)
        shapes = {key[-2:]: value.shape for key, value in by_layer(attention, LAYER).items()}
        kernel = shapes.get(("attention_query", "kernel"))
        same = kernel == (d_model, heads, dim)
        assert_holds(same, f"the query kernel should be {(d_model, heads, dim)}, not {kernel}")
    assert_raises(ValueError, student.RelativeAttention, 8, 3, 4, 4)


@check("4.10", says="softmax((Q Kᵀ + S) / √head_dim) V, through the output kernel", weight=3)
def test_attention_values(student, solution, rng):
    for d_model, heads, largest, length in ((8, 2, 9, 6), (6, 3, 2, 5)):
        sizes = (d_model, heads, largest, 99)
        mine, theirs = pair(student, solution, rng, "RelativeAttention", *sizes)
        x = floats(rng, 3, length, d_model)
        assert_close(mine(x), theirs(x), atol=ATOL)


@check("4.10", says="later positions do not matter, nor those `window` or more before", weight=2)
def test_attention_window(student, solution, rng):
    for window in (1, 4):
        mine, theirs = pair(student, solution, rng, "RelativeAttention", 8, 2, 5, window)
        x = floats(rng, 1, 9, 8)
        before = float32(mine(x), x.shape)
        assert_close(before, theirs(x), atol=ATOL)
        other = x.copy()
        other[:, 4] += 1
        # random weights of 0.5: what matters changes far more than 1e-3
        moved = np.abs(float32(mine(other), x.shape) - before).max(axis=(0, 2)) > 1e-3
        with naming(f"whether x[:, 4] matters at each position, with a window of {window}"):
            assert_equal(moved, (np.arange(9) >= 4) & (np.arange(9) < 4 + window))


@check("4.10", says="positions where the mask is False are ignored", weight=2)
def test_attention_mask(student, solution, rng):
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 1, 0, 1]], bool)
    x = floats(rng, 3, 6, 8)
    mine, theirs = pair(student, solution, rng, "RelativeAttention", 8, 2, 3, 4)
    got = float32(student.build("masked_call", mine, x, mask), x.shape)
    want = solution.build("masked_call", theirs, x, mask)
    assert_close(np.where(mask[..., None], got, want), want, atol=ATOL)
    other = np.where(mask[:, :, None], x, floats(rng, 3, 6, 8))
    after = float32(student.build("masked_call", mine, other, mask), x.shape)
    after = np.where(mask[..., None], after, got)
    assert_same_after("other inputs where the mask is False", after, got, atol=ATOL)


@check("4.10", says="step gives for each position what call gives", weight=3)
def test_attention_steps(student, rng):
    for window, largest, primer, slots in ((20, 4, 1, 4), (4, 9, 5, 2)):
        attention = layer(student, "RelativeAttention", 8, 2, largest, window)
        x = floats(rng, 2, 8, 8)
        attention(x)
        randomize(attention, rng)
        want = float32(attention(x), x.shape)[:, primer:]
        kept = (2, 2, primer, 4)
        answer = student.build("do", attention, "read", x[:, :primer])
        _, *parts = assert_arrays(answer, output=(2, primer, 8), keys=kept, values=kept)
        given = (x, parts, primer, slots, window, rng)
        got = continue_by_steps(student, attention, *given, one_layer=True)
        with after_reading(primer, slots):
            assert_same_in_steps(got, want, atol=ATOL, first=primer)


@check("4.10", says="read and step return keys and values, each in its place", weight=2)
def test_attention_kept(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "RelativeAttention", 8, 2, 3, 5)
    x = floats(rng, 2, 4, 8)
    got = student.build("do", mine, "read", x)
    got = assert_arrays(got, output=x.shape, keys=(2, 2, 4, 4), values=(2, 2, 4, 4))
    assert_each(PARTS, got, solution.build("do", theirs, "read", x), atol=ATOL)
    for slot in (0, 2):
        old, new = [floats(rng, 2, 2, 4, 4) for _ in range(2)], [floats(rng, 2, 2, 3, 4)] * 2
        given = ("step", x[:, :1], slot, *old, *new)
        got = student.build("do", mine, *given)
        got = assert_arrays(got, output=(2, 1, 8), new_keys=(2, 2, 3, 4), new_values=(2, 2, 3, 4))
        assert_each(PARTS, got, solution.build("do", theirs, *given), atol=ATOL)


@check("4.10", says="every weight gets its gradient")
def test_attention_gradient(student, solution, rng):
    sizes = (8, 2, 3, 4)
    assert_gradient(student, solution, "RelativeAttention", sizes, floats(rng, 2, 6, 8), rng)


# Task 4.11: the norm


@check("4.11", says="x over its root mean square, times the scale", weight=3)
def test_norm_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "RMSNorm")
    for shape in ((3, 8), (2, 5, 8)):
        for size in (1, 1e-3, 100):  # at 1e-3 the 1e-6 is as large as the mean square
            x = np.float32(size) * (floats(rng, *shape) + 1)
            with naming(f"for x of about {size:g}"):
                assert_close(float32(mine(x), shape), theirs(x), atol=ATOL)


@check("4.11", says="float16 in and out, but nothing overflows or vanishes in between", weight=2)
def test_norm_half(student):
    for value in (60_000, -300, 0.01):
        x = np.full((2, 8), value, "f2")
        assert_own_layer(student, "RMSNorm")
        got = student.build("in_half_precision", "RMSNorm", [], x, "__call__", scale=3.0)
        # float16 rounds at 5e-4; 0.01 is divided by √(1e-4 + 1e-6)
        want = 3 * float(x[0, 0]) / math.sqrt(float(x[0, 0]) ** 2 + 1e-6)
        with naming(f"in float16, x of {value:g} and a scale of 3"):
            assert_close(float16(got, x.shape), np.full(x.shape, want), rtol=1.5e-3)


@check("4.11", says="the scale, initially 1, gets its gradient")
def test_norm_gradient(student, solution, rng):
    norm = layer(student, "RMSNorm")
    norm(floats(rng, 2, 8))
    weights = list(by_layer(norm, LAYER).values())
    assert_holds(len(weights) == 1, f"expected one weight, got {len(weights)}")
    with naming("the scale at first"):
        assert_close(weights[0], np.ones(8))
    assert_gradient(student, solution, "RMSNorm", (), floats(rng, 3, 8), rng)


# Task 4.13: a block

BLOCK = (8, 2, 12, 5, 4)


@check("4.13", says="two sub-layers, each normalised first and added", weight=3)
def test_block_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerBlock", *BLOCK)
    for length in (1, 7):
        x = floats(rng, 3, length, 8)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("4.13", says="read returns keys and values; masked positions are ignored")
def test_block_read(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerBlock", *BLOCK)
    x, mask = floats(rng, 2, 6, 8), np.array([[1] * 6, [1, 0, 0, 1, 0, 1]], bool)
    got = student.build("do", mine, "read", x)
    got = assert_arrays(got, output=x.shape, keys=(2, 2, 6, 4), values=(2, 2, 6, 4))
    assert_each(PARTS, got, solution.build("do", theirs, "read", x), atol=ATOL)
    masked = float32(student.build("masked_call", mine, x, mask), x.shape)
    want = solution.build("masked_call", theirs, x, mask)
    with naming("with a mask"):
        assert_close(np.where(mask[..., None], masked, want), want, atol=ATOL)


@check("4.13", says="step gives for each position what call gives", weight=2)
def test_block_steps(student, rng):
    block = layer(student, "TransformerBlock", *BLOCK, 0.5)
    x = floats(rng, 2, 7, 8)
    block(x)
    randomize(block, rng)
    want = float32(block(x), x.shape)[:, 2:]
    answer = student.build("do", block, "read", x[:, :2])
    _, *kept = assert_arrays(answer, output=(2, 2, 8), keys=(2, 2, 2, 4), values=(2, 2, 2, 4))
    got = continue_by_steps(student, block, x, kept, 2, 3, 4, rng, one_layer=True)
    with after_reading(2, 3):
        assert_same_in_steps(got, want, atol=ATOL, first=2)


@check("4.13", says="every weight gets its gradient")
def test_block_gradient(student, solution, rng):
    assert_gradient(student, solution, "TransformerBlock", BLOCK, floats(rng, 2, 5, 8), rng)


# Task 4.14: the Music Transformer

SIZES = (13, 8, 2, 12, 2, 5, 4)  # a window of 4 in two layers: 7 ids are all that matters


@check("4.14", says="float32 logits, also in half precision; weights as stated")
def test_model_contract(student, rng):
    music = network(student, *SIZES, 0.1)
    for batch, length in ((1, 1), (3, 6)):
        float32(music(rng.integers(0, 13, (batch, length))), (batch, length, 13))
    found = {key[0] for key in by_layer(music, LAYER)}
    wanted = {"embedding", "block_0", "block_1", "norm"}
    assert_holds(found == wanted, f"expected layers {sorted(wanted)}, got {sorted(found)}")
    ids = rng.integers(0, 13, (2, 5)).astype("i4")
    half = student.build("in_half_precision", "MusicTransformer", [*SIZES], ids, "__call__")
    assert_holds(np.isfinite(float32(half, (2, 5, 13))).all(), "NaN or infinity in float16")


@check("4.14", says="logits: √d_model, blocks, norm, the embedding in reverse", weight=3)
def test_model_logits(student, solution, rng):
    for tied in (True, False):
        mine, theirs = pair(student, solution, rng, "MusicTransformer", *SIZES, 0.1, tied)
        ids = rng.integers(0, 13, (3, 8))  # 0, padding, is an id like any other
        with naming("tied" if tied else "not tied"):
            assert_close(float32(mine(ids), (3, 8, 13)), theirs(ids), atol=ATOL)


@check("4.14", says="logits depend on that and earlier ids, not on their positions", weight=2)
def test_model_invariance(student, rng):
    music = network(student, *SIZES)
    randomize(music, rng)
    ids = rng.integers(0, 13, (2, 14))
    logits = float32(music(ids), (2, 14, 13))
    other = ids.copy()
    other[:, 5] = (ids[:, 5] + 1) % 13
    # random weights of 0.5: what matters changes far more than 1e-3
    moved = np.abs(float32(music(other), logits.shape) - logits).max(axis=(0, 2)) > 1e-3
    assert_holds(not moved[:5].any(), "the logits at a position depend on a later id")
    assert_holds(moved[5], "the logits at a position should depend on the id there")
    assert_holds(moved[6], "the logits at a position should depend on earlier ids")
    assert_holds(not moved[12:].any(), "an id beyond the reach of all layers matters")
    # seven ids are all that the last position can hear, wherever they stand
    alone = float32(music(ids[:, 7:]), (2, 7, 13))
    change = "leaving out all but the last 7 ids, for the last logits,"
    assert_same_after(change, alone[:, -1], logits[:, -1], atol=ATOL)


@check("4.14", says="read and step give the call's logits, position by position", weight=3)
def test_model_steps(student, rng):
    music = network(student, *SIZES, 0.5)
    randomize(music, rng)
    ids = rng.integers(0, 13, (2, 10)).astype("i4")
    want = float32(music(ids), (2, 10, 13))
    for primer, slots in ((1, 4), (6, 3)):
        kept = assert_parts(student.build("do", music, "read", ids[:, :primer]), *"1234")
        kept = [assert_array(part, (2, 2, primer, 4), "f") for part in kept]
        got = continue_by_steps(student, music, ids, kept, primer, slots, 4, rng, one_layer=False)
        with naming("the logits of all steps, stacked on axis 1"):
            got = float32(got, (2, 10 - primer, 13))
        with after_reading(primer, slots):
            assert_same_in_steps(got, want[:, primer:], atol=ATOL, first=primer)


@check("4.14", says="untrained, the loss is near ln V; training changes every weight")
def test_model_training(student, solution, rng):
    music, wanted = network(student, *SIZES), network(solution, *SIZES)
    ids = rng.integers(1, 13, (8, 12))
    targets = rng.integers(1, 13, ids.shape)
    targets[:, 9:] = 0
    logits = float32(music(ids), (8, 12, 13))
    # the embedding's rows are below 0.05 a number, a normed vector has length √8: logits below
    # 0.4, whose squares are what ln V is missed by
    assert_untrained(logits, atol=0.15)
    before = by_layer(music, LAYER)
    music.train(ids, targets, steps=1, learning_rate=0.01)
    assert_changed(before, by_layer(music, LAYER), by_layer(wanted, LAYER))
