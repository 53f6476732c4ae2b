"""Tasks 5.7 to 5.11: positions, Transformer-XL's scores, layer and model, streams of pieces."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_arrays,
    assert_close,
    assert_each,
    assert_equal,
    assert_holds,
    assert_parts,
    check,
    float32,
    int32,
)
from grading.checks.hidden import assert_learned
from grading.checks.networks import by_layer, floats, randomize, silence
from grading.lab5.hidden.oracles import scores, xl_layer
from grading.lab5.networks import ATOL, LAYER, XL, call, drawn_inputs, made, pair, seen_by
from grading.lab5.words import PAD, streams

# Tasks 5.7 and 5.8


@check("5.7", says="any positions, any width", hidden=True)
def test_waves_random(student, rng):
    for _ in range(3):
        width, count = 2 * int(rng.integers(1, 9)), int(rng.integers(1, 9))
        positions = rng.integers(0, 300, count)
        angles = positions[:, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
        want = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        # at position 300 float32 rounds an angle by 3e-5
        assert_close(float32(student.sinusoids(positions, width), want.shape), want, atol=1e-4)


@check("5.8", says="the four terms, for any sizes", hidden=True)
def test_scores_random(student, rng):
    for number in range(4):
        batch, heads, dim, target = (int(n) for n in rng.integers(1, 5, 4))
        source = target + number
        inputs = [
            floats(rng, batch, heads, target, dim),
            floats(rng, batch, heads, source, dim),
            floats(rng, heads, source, dim),
            *floats(rng, 2, heads, dim),
        ]
        got = student.build("given_tensors", "relative_scores", *inputs)
        want, seen = scores(*inputs), seen_by(target, source)
        got = float32(got, want.shape)
        assert_close(np.where(seen, got, 0), want, atol=2 * ATOL)


# Task 5.9


@check("5.9", says="the layer by its definition, for any sizes and memories", weight=3, hidden=True)
def test_layer_random(student, rng):
    for same in (False, True):
        heads, memory, length = (int(n) for n in rng.integers(2, 5, 3))
        layer = made(student, "XLLayer", 4 * heads, heads, 10, 0.0, same)
        randomize(layer, rng)
        x, old, known, biases = drawn_inputs(rng, 3, memory, length, 4 * heads, heads)
        known &= rng.random(known.shape) < 0.6
        weights = {key[-2:]: value for key, value in by_layer(layer, LAYER).items()}
        want = xl_layer(weights, x, old, known, biases, same)
        got = float32(call(student, layer, x, old, known, biases), x.shape)
        assert_close(got, want, atol=5 * ATOL)


@check("5.9", says="a step, for any memory, slots and what is known", weight=2, hidden=True)
def test_layer_steps(student, rng):
    heads, reach = int(rng.integers(2, 4)), int(rng.integers(2, 6))
    d_model = 4 * heads
    layer = made(student, "XLLayer", d_model, heads, 10)
    randomize(layer, rng)
    weights = {key[-2:]: value for key, value in by_layer(layer, LAYER).items()}
    _, old, known, biases = drawn_inputs(rng, 2, reach, 1, d_model, heads)
    known &= rng.random(known.shape) < 0.6
    keys, values = student.build("do", layer, "recall", old)
    positions = student.build("do", layer, "place", np.arange(reach + 1)[::-1].copy())
    new = [floats(rng, 2, heads, 4, 4) for _ in range(2)]
    for slot in range(4):
        x = floats(rng, 2, 1, d_model)
        given = (x, np.array(slot, "i4"), known, biases, keys, values, positions, *new)
        answer = student.build("do", layer, "step", *given)
        shapes = {"new_keys": new[0].shape, "new_values": new[1].shape}
        output, *new = assert_arrays(answer, output=x.shape, **shapes)
        # of what was read before, the last positions are the memory
        shown = np.concatenate([known, np.ones((2, slot), bool)], axis=1)
        want = xl_layer(weights, x, old[:, slot:], shown[:, slot:], biases, False)
        assert_close(output, want, atol=5 * ATOL)
        old = np.concatenate([old, x], axis=1)
        if old.shape[1] - slot - 1 != reach:
            old = old[:, -(reach + slot + 1) :]


@check("5.9", says="it works in half precision, with the mask's 1e9 too", hidden=True)
def test_layer_half(student, rng):
    x, memory, known, biases = drawn_inputs(rng, 2, 3, 4, 8, 2)
    known[0] = False
    inputs = [x.astype("f2"), memory.astype("f2"), known, biases.astype("f2")]
    made(student, "XLLayer", 8, 2, 12)
    got = student.build("in_float16", "XLLayer", [8, 2, 12], "__call__", inputs)
    got = assert_array(got, x.shape, "f")
    assert_holds(got.dtype == "float16" and np.isfinite(got).all(), "not float16, or not finite")


@check("5.9", says="dropout of what both parts add, in training only", hidden=True)
def test_layer_dropout(student, rng):
    for silent in ("output_projection", "contract"):
        layer = made(student, "XLLayer", 8, 2, 12, 0.5)
        randomize(layer, rng)
        silence(layer, silent)
        inputs = drawn_inputs(rng, 8, 3, 30, 8, 2)
        added = float32(call(student, layer, *inputs), inputs[0].shape) - inputs[0]
        changed = student.build("trained", layer, inputs) - inputs[0]
        lost = np.abs(changed) < 1e-6
        fine = np.abs(np.where(lost, 0, changed - 2 * added)) < 1e-4
        assert_holds(fine.all(), "what is dropped is not what a part adds")
        # 1,920 numbers: half of them ± 6 sigma of 0.011
        assert_holds(abs(lost.mean() - 0.5) < 0.07, "the share that is dropped")


# Task 5.10


@check("5.10", says="logits, memory and steps, for any size", weight=3, hidden=True)
def test_xl_random(student, solution, rng):
    heads, layers, reach = (int(n) for n in rng.integers(1, 4, 3))
    sizes = (11, 4 * heads, heads, 9, layers, reach + 1)
    mine, theirs = pair(student, solution, rng, "TransformerXL", *sizes, 0.0, bool(heads % 2))
    ids = rng.integers(0, 11, (2, 13)).astype("i4")
    assert_close(float32(mine(ids), (2, 13, 11)), theirs(ids), atol=ATOL)
    for lengths, memory in (([4, 1, 5], reach), ([2, 7], 12)):
        got = student.build("read_in_segments", mine, ids, lengths, memory)
        want = solution.build("read_in_segments", theirs, ids, lengths, memory)
        for one, other in zip(got, want, strict=True):
            logits, kept = assert_parts(one, "logits", "memory")
            assert_close(logits, other[0], atol=ATOL)
            assert_equal(kept[0], other[1][0])
            assert_each([""] * layers, kept[1:], other[1][1:], atol=ATOL)
    slots = int(rng.integers(1, 5))
    want = solution.build("stepped", theirs, ids, 3, slots)
    assert_each([""] * 11, student.build("stepped", mine, ids, 3, slots), want, atol=ATOL)


@check("5.10", says="in training the model learns one batch by heart", hidden=True, cpu=120)
def test_xl_learns(student, solution, rng):
    mine = made(student, "TransformerXL", *XL)
    theirs = made(solution, "TransformerXL", *XL)
    ids, targets = rng.integers(1, 13, (2, 4, 6))
    mine.train(ids, targets, steps=120, learning_rate=0.02)
    assert_learned(mine, theirs, LAYER, targets, ids)


@check("5.10", says="dropout of the embedding, in training only", hidden=True)
def test_xl_dropout(student, rng):
    ids = rng.integers(0, 13, (4, 9)).astype("i4")
    music = made(student, "TransformerXL", *XL[:4], 0, 4, 0.5)
    randomize(music, rng)
    calm = [float32(music(ids), (4, 9, 13)) for _ in range(2)]
    assert_close(calm[0], calm[1])
    shaken = [assert_array(student.build("trained", music, [ids]), (4, 9, 13)) for _ in range(2)]
    assert_holds((shaken[0] != shaken[1]).any(), "nothing is dropped")
    assert_holds((shaken[0] != calm[0]).any(), "nothing is dropped")


# Task 5.11


@check("5.11", says="any pieces, segments and rows", weight=2, hidden=True)
def test_stream_random(student, solution, rng):
    for seed in (None, int(rng.integers(100))):
        offsets = np.cumsum([0, *rng.integers(1, 15, 7)])
        tokens = rng.integers(1, 99, offsets[-1]).astype("u2")
        length, rows = (int(n) for n in rng.integers(1, 6, 2))
        given = ("streamed", tokens, offsets, length, rows, seed)
        got = streams(student.build(*given), (rows, length))
        want = streams(solution.build(*given), (rows, length))
        assert_equal(len(got), len(want))
        for one, other in zip(got, want, strict=True):
            for part, wanted in zip(one, other, strict=True):
                assert_equal(part, wanted)


@check("5.11", says="every word is a target once, and follows its input", hidden=True)
def test_stream_once(student, rng):
    offsets = np.cumsum([0, *rng.integers(1, 12, 9)])
    tokens = np.arange(1, offsets[-1] + 1, dtype="u2")
    got = student.build("streamed", tokens, offsets, 4, 3, int(rng.integers(100)))
    found, last = [], np.zeros(3, int)
    for inputs, targets, fresh in streams(got, (3, 4)):
        for row in range(3):
            words = targets[row][targets[row] != PAD]
            if len(words):
                before = 0 if fresh[row] else last[row]
                assert_equal(inputs[row, : len(words)], np.array([before, *words[:-1]]))
                assert_equal(bool(fresh[row]), bool(words[0] - 1 in offsets))
                last[row] = words[-1]
                found += words.tolist()
    assert_equal(sorted(found), tokens.tolist())


@check("5.11", says="of a piece on disk only what a segment needs is read", hidden=True)
def test_stream_long(student):
    parts = student.build("stream_of_a_long_piece", 10**12, 6)
    inputs, targets, _ = assert_parts(parts, "inputs", "targets", "fresh")
    assert_equal(int32(inputs, (1, 6)), np.array([[0, 5, 5, 5, 5, 5]]))
    assert_equal(int32(targets, (1, 6)), np.full((1, 6), 5))
