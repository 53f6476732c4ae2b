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
    assert_same_after,
    check,
    float32,
    naming,
)
from grading.checks.losses import assert_untrained
from grading.checks.networks import (
    assert_changed,
    assert_same_descent,
    by_layer,
    floats,
    randomize,
)
from grading.lab5.networks import ATOL, LAYER, XL, call, drawn_inputs, made, pair, seen_by
from grading.lab5.public.test_words import assert_raises_etude
from grading.lab5.words import PAD, streams

# Task 5.7: waves


@check("5.7", says="float32 (n, d_model); at position 0 sines are 0 and cosines 1")
def test_waves_contract(student):
    for count, width in ((1, 2), (5, 8)):
        float32(student.sinusoids(np.arange(count), width), (count, width))
    assert_close(student.sinusoids(np.zeros(1, "i4"), 6), np.array([[0.0, 0, 0, 1, 1, 1]]))


@check("5.7", says="sines of all frequencies, then cosines", weight=3)
def test_waves_values(student, solution):
    for positions in (np.arange(6), np.array([7, 3, 3, 500])):
        for width in (2, 4, 10):
            got = float32(student.sinusoids(positions, width), (len(positions), width))
            # at position 500 float32 rounds an angle by 3e-5
            assert_close(got, solution.sinusoids(positions, width), atol=1e-4)


@check("5.7", says="positions may be a tensor")
def test_waves_tensor(student, solution):
    positions = np.array([4, 0, 9], "i4")
    got = student.build("given_tensors", "sinusoids", positions, 6)
    assert_close(float32(got, (3, 6)), solution.sinusoids(positions, 6))


# Task 5.8: the four terms; what stands at later keys is not looked at


def score_inputs(rng, batch, heads, target, source, dim):
    return [
        floats(rng, batch, heads, target, dim),
        floats(rng, batch, heads, source, dim),
        floats(rng, heads, source, dim),
        floats(rng, heads, dim),
        floats(rng, heads, dim),
    ]


def assert_scores(student, solution, inputs):
    want = solution.build("given_tensors", "relative_scores", *inputs)
    got = float32(student.build("given_tensors", "relative_scores", *inputs), want.shape)
    seen = seen_by(*want.shape[2:])
    assert_close(np.where(seen, got, want), want, atol=ATOL)


@check("5.8", says="float32 (batch, heads, T, S)")
def test_scores_contract(student, rng):
    for sizes in ((2, 3, 4, 4, 5), (1, 1, 1, 6, 2), (3, 2, 2, 5, 4)):
        inputs = score_inputs(rng, *sizes)
        float32(student.build("given_tensors", "relative_scores", *inputs), sizes[:4])


@check("5.8", says="content: (q + u) · k", weight=2)
def test_scores_content(student, solution, rng):
    for sizes in ((2, 3, 4, 4, 5), (1, 2, 2, 5, 3)):
        inputs = score_inputs(rng, *sizes)
        inputs[2] *= 0
        assert_scores(student, solution, inputs)


@check("5.8", says="distance: (q + v) · r, each at its key", weight=3)
def test_scores_distance(student, solution, rng):
    for size in (1, 2, 5):
        inputs = score_inputs(rng, 2, 3, size, size, 4)
        inputs[1] *= 0
        assert_scores(student, solution, inputs)


@check("5.8", says="the queries are the last T of S positions", weight=2)
def test_scores_last(student, solution, rng):
    for target, source in ((1, 6), (3, 8), (4, 5)):
        assert_scores(student, solution, score_inputs(rng, 2, 2, target, source, 4))


# Task 5.9: a layer with memory

LAYER_SIZES = (8, 2, 12)


@check("5.9", says="shapes and weights as stated")
def test_layer_contract(student, rng):
    for d_model, heads in ((8, 2), (6, 3)):
        layer = made(student, "XLLayer", d_model, heads, 10)
        for memory, length in ((0, 1), (3, 2), (2, 4)):
            inputs = drawn_inputs(rng, 2, memory, length, d_model, heads)
            float32(call(student, layer, *inputs), (2, length, d_model))
        weights = {key[-2:]: value.shape for key, value in by_layer(layer, LAYER).items()}
        dim = d_model // heads
        for part in ("query", "key", "value", "position"):
            assert_equal(weights.get((f"block_{part}", "kernel")), (d_model, heads, dim))
        assert_holds(len(weights) == 13, f"expected 13 weights, got {len(weights)}")


@check("5.9", says="attention over memory and segment, then the feed-forward part", weight=3)
def test_layer_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "XLLayer", *LAYER_SIZES)
    for memory, length in ((0, 4), (3, 4), (5, 1)):
        inputs = drawn_inputs(rng, 3, memory, length, 8, 2)
        with naming(f"{length} positions after a memory of {memory}"):
            got = float32(call(student, mine, *inputs), (3, length, 8))
            assert_close(got, call(solution, theirs, *inputs), atol=ATOL)


@check("5.9", says="later positions do not matter; with same_length none beyond M before", weight=2)
def test_layer_reach(student, rng):
    for same in (False, True):
        layer = made(student, "XLLayer", *LAYER_SIZES, 0.0, same)
        randomize(layer, rng)
        x, *others = drawn_inputs(rng, 1, 2, 7, 8, 2)
        before = float32(call(student, layer, x, *others), x.shape)
        other = x.copy()
        other[:, 3] *= -1  # a norm takes away what is added to all numbers
        # random weights of 0.5: what matters changes far more than 1e-3
        moved = np.abs(call(student, layer, other, *others) - before).max(axis=(0, 2)) > 1e-3
        want = (np.arange(7) >= 3) & (np.arange(7) <= (5 if same else 6))
        with naming(f"whether x[:, 3] matters at each position, M = 2, same_length={same}"):
            assert_equal(moved, want)


@check("5.9", says="unknown positions of the memory are ignored", weight=2)
def test_layer_known(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "XLLayer", *LAYER_SIZES)
    x, memory, known, biases = drawn_inputs(rng, 3, 4, 3, 8, 2)
    known[0], known[1, :2] = False, False
    got = float32(call(student, mine, x, memory, known, biases), x.shape)
    assert_close(got, call(solution, theirs, x, memory, known, biases), atol=ATOL)
    other = np.where(known[..., None], memory, floats(rng, *memory.shape))
    after = call(student, mine, x, other, known, biases)
    assert_same_after("another memory where it is not known", after, got, atol=ATOL)


@check("5.9", says="no gradient goes into the memory; every weight gets its own", weight=2)
def test_layer_gradient(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "XLLayer", *LAYER_SIZES)
    inputs = drawn_inputs(rng, 2, 3, 4, 8, 2)
    with naming("the gradient by the memory"):
        assert_close(student.build("gradient_by", mine, 1, *inputs), np.zeros(inputs[1].shape))
    with naming("the gradient by x"):
        want = solution.build("gradient_by", theirs, 0, *inputs)
        # sums of squares of numbers up to 10
        assert_close(student.build("gradient_by", mine, 0, *inputs), want, rtol=1e-3, atol=1e-3)
    assert_descent(student, solution, (mine, theirs), inputs, rng)


def assert_descent(student, solution, layers, inputs, rng):
    target = floats(rng, *inputs[0].shape)
    assert_same_descent(student, solution, layers, LAYER, target, *inputs)


@check("5.9", says="place and recall: r of the distances; keys and values of a memory")
def test_layer_recall(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "XLLayer", *LAYER_SIZES)
    distances = np.arange(5)[::-1].copy()
    got = float32(student.build("do", mine, "place", distances), (2, 5, 4))
    assert_close(got, solution.build("do", theirs, "place", distances), atol=ATOL)
    memory = floats(rng, 3, 4, 8)
    got = student.build("do", mine, "recall", memory)
    both = assert_arrays(got, keys=(3, 2, 4, 4), values=(3, 2, 4, 4))
    want = solution.build("do", theirs, "recall", memory)
    assert_each(("keys", "values"), both, want, atol=ATOL)


@check("5.9", says="a step gives what the call gives for one position after M", weight=3)
def test_layer_step(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "XLLayer", *LAYER_SIZES)
    for memory, slots, slot in ((4, 3, 0), (4, 3, 2), (2, 4, 3), (0, 3, 1)):
        inputs = step_inputs(rng, memory, slots, slot)
        with naming(f"slot {slot} of {slots} after a memory of {memory}"):
            got = student.build("do", mine, "step", *inputs)
            new = (2, 2, slots, 4)
            got = assert_arrays(got, output=(2, 1, 8), new_keys=new, new_values=new)
            want = solution.build("do", theirs, "step", *inputs)
            assert_each(("output", "new_keys", "new_values"), got, want, atol=ATOL)


def step_inputs(rng, memory, slots, slot):
    """What a step gets; the new parts are full of what must not be used."""
    known = rng.random((2, memory)) < 0.7
    old = [floats(rng, 2, 2, memory, 4) for _ in range(2)]
    new = [floats(rng, 2, 2, slots, 4) for _ in range(2)]
    x, biases = floats(rng, 2, 1, 8), floats(rng, 2, 2, 4)
    return [x, np.array(slot, "i4"), known, biases, *old, floats(rng, 2, memory + 1, 4), *new]


# Task 5.10: the model


@check("5.10", says="float32 logits, also in half precision; weights as stated")
def test_xl_contract(student, rng):
    music = made(student, "TransformerXL", *XL)
    for batch, length in ((1, 1), (3, 6)):
        float32(music(rng.integers(0, 13, (batch, length))), (batch, length, 13))
    found = {key[0] for key in by_layer(music, LAYER)}
    shapes = {key[1:]: value.shape for key, value in by_layer(music, LAYER).items()}
    assert_holds("transformer_xl" in found, f"expected weights of the model, got {sorted(found)}")
    assert_equal(shapes.get(("biases",)), (2, 2, 4))
    ids = rng.integers(0, 13, (2, 5)).astype("i4")
    half = student.build("in_float16", "TransformerXL", [*XL], "__call__", [ids])
    assert_holds(np.isfinite(float32(half, (2, 5, 13))).all(), "NaN or infinity in float16")


@check("5.10", says="logits: √d_model, the layers, the output", weight=2)
def test_xl_logits(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerXL", *XL, 0.1)
    ids = rng.integers(0, 13, (3, 7))
    assert_close(float32(mine(ids), (3, 7, 13)), theirs(ids), atol=ATOL)


def assert_memory(got, want):
    """Demand a memory: what is known, then what each layer was given."""
    got = assert_parts(got, "known", *(f"layer {i}" for i in range(len(want) - 1)))
    with naming("known"):
        assert_equal(assert_array(got[0], want[0].shape, "b"), want[0])
    names = [f"layer {i}" for i in range(len(want) - 1)]
    assert_each(names, got[1:], want[1:], atol=ATOL)


@check("5.10", says="an empty memory: nothing known, zeros, of any length")
def test_xl_empty(student, solution):
    mine, theirs = made(student, "TransformerXL", *XL), made(solution, "TransformerXL", *XL)
    for given in ((2,), (3, 6), (1, 0)):
        got = student.build("do", mine, "empty_memory", *given)
        assert_memory(got, solution.build("do", theirs, "empty_memory", *given))


@check("5.10", says="read: logits after a memory, and the last M inputs of each layer", weight=3)
def test_xl_read(student, solution, rng):
    for same in (False, True):
        mine, theirs = pair(student, solution, rng, "TransformerXL", *XL, 0.0, same)
        ids = rng.integers(0, 13, (2, 11)).astype("i4")
        for lengths, reach in (([3, 5, 3], 4), ([6, 5], 3), ([2, 9], 0)):
            got = student.build("read_in_segments", mine, ids, lengths, reach)
            want = solution.build("read_in_segments", theirs, ids, lengths, reach)
            for number, (one, other) in enumerate(zip(got, want, strict=True)):
                with naming(f"segment {number} of {lengths}, M = {reach}, same_length={same}"):
                    logits, memory = assert_parts(one, "logits", "memory")
                    assert_close(float32(logits, other[0].shape), other[0], atol=ATOL)
                    assert_memory(memory, other[1])


@check("5.10", says="with everything in memory, segments give what the whole gives", weight=2)
def test_xl_segments(student, rng):
    music = made(student, "TransformerXL", *XL)
    randomize(music, rng)
    ids = rng.integers(0, 13, (2, 10)).astype("i4")
    want = float32(music(ids), (2, 10, 13))
    answer = student.build("read_in_segments", music, ids, [4, 3, 3], 10)
    parts = [assert_parts(one, "logits", "memory")[0] for one in answer]
    got = np.concatenate([assert_array(part, (2, None, 13), "f") for part in parts], axis=1)
    assert_close(got, want, atol=ATOL, said=("the whole gives", "the segments give"))


@check("5.10", says="start: the primer's memory as keys and values, and empty slots")
def test_xl_start(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerXL", *XL)
    for length in (1, 4, 7):
        primers = rng.integers(0, 13, (2, length)).astype("i4")
        got = student.build("started", mine, primers, 3)
        want = solution.build("started", theirs, primers, 3)
        for name, one, other in zip(
            ("cache", "state"), assert_parts(got, "cache", "state"), want, strict=True
        ):
            parts = assert_parts(one, *(f"part {i}" for i in range(len(other))))
            for i, (part, wanted) in enumerate(zip(parts, other, strict=True)):
                with naming(f"{name}[{i}]"):
                    same = assert_equal if wanted.dtype.kind in "bi" else assert_near
                    same(assert_array(part, wanted.shape), wanted)


def assert_near(got, want):
    assert_close(got, want, atol=ATOL)


@check("5.10", says="step and move: as segments of one word do, whatever the slots", weight=3)
def test_xl_steps(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerXL", *XL)
    ids = rng.integers(0, 13, (2, 12)).astype("i4")
    for primer, slots in ((1, 3), (4, 5), (8, 20)):
        want = solution.build("stepped", theirs, ids, primer, slots)
        got = student.build("stepped", mine, ids, primer, slots)
        names = [f"after {primer} words, {slots} slots: step {i}" for i in range(len(want))]
        assert_each(names, got, want, atol=ATOL)


@check("5.10", says="draw: temperature and top-p on the logits, then noise")
def test_xl_draw(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerXL", *XL)
    hidden, noise = floats(rng, 40, 8), rng.gumbel(size=(40, 13)).astype("f4")
    for temperature, top_p in ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (1.0, 0.5)):
        given = ("draw", hidden, noise, [temperature], [top_p])
        with naming(f"temperature {temperature}, top_p {top_p}"):
            got = student.build("do", mine, *given)
            assert_equal(got, solution.build("do", theirs, *given))


@check("5.10", says="untrained, the loss is near ln V; training changes every weight")
def test_xl_training(student, solution, rng):
    music, wanted = made(student, "TransformerXL", *XL), made(solution, "TransformerXL", *XL)
    ids, targets = rng.integers(1, 13, (2, 8, 12))
    # the output's numbers are of 0.02: logits below 0.3, whose squares are what ln V is missed by
    assert_untrained(float32(music(ids), (8, 12, 13)), atol=0.1)
    before = by_layer(music, LAYER)
    music.train(ids, targets, steps=1, learning_rate=0.01)
    assert_changed(before, by_layer(music, LAYER), by_layer(wanted, LAYER))


# Task 5.11: streams


def assert_streamed(student, solution, sizes, length, batch_size, seed=None, fields=()):
    offsets = np.cumsum([0, *sizes])
    tokens = np.arange(1, 1 + offsets[-1], dtype="u2")
    if fields:
        tokens = tokens[:, None] * 10 + np.arange(*fields, dtype="u2")
    shape = (batch_size, length, *fields)
    want = streams(solution.build("streamed", tokens, offsets, length, batch_size, seed), shape)
    got = streams(student.build("streamed", tokens, offsets, length, batch_size, seed), shape)
    with naming(f"pieces of {list(sizes)} words"):
        for number, (one, other) in enumerate(zip(got, want, strict=False)):
            for name, part, wanted in zip(("inputs", "targets", "fresh"), one, other, strict=True):
                with naming(f"batch {number}, {name}"):
                    assert_equal(part, wanted)
        assert_holds(len(got) == len(want), f"expected {len(want)} batches, got {len(got)}")


def only(batches):
    """Demand one batch."""
    assert_holds(len(batches) == 1, f"expected one batch, got {len(batches)}")
    return batches[0]


@check("5.11", says="int32 inputs and targets, bool fresh; EtudeError")
def test_stream_contract(student):
    tokens, offsets = np.arange(1, 8, dtype="u2"), np.array([0, 7])
    batch = only(streams(student.build("streamed", tokens, offsets, 7, 1, None), (1, 7)))
    for part, want in zip(batch, (np.arange(7), tokens, [True]), strict=True):
        assert_equal(part[0] if part.ndim > 1 else part, np.array(want))
    for length, size in ((0, 1), (3, 0), (-1, 2)):
        assert_raises_etude(student.build, "streamed", tokens, offsets, length, size, None)


@check("5.11", says="a row reads its piece segment by segment, then the next piece", weight=3)
def test_stream_order(student, solution):
    for sizes in ((5, 2, 3), (7, 7, 7), (1, 9, 1, 1, 4), (4, 2)):
        assert_streamed(student, solution, sizes, 2, 2)
        assert_streamed(student, solution, sizes, 3, 1)


@check("5.11", says="empty rows and what is left of a segment: 0 and PAD, not fresh", weight=2)
def test_stream_padding(student, solution):
    assert_streamed(student, solution, (3, 8), 5, 4)
    offsets, tokens = np.array([0, 3]), np.arange(1, 4)
    batch = only(streams(student.build("streamed", tokens, offsets, 5, 2, None), (2, 5)))
    assert_equal(batch[1], np.array([[1, 2, 3, PAD, PAD], [PAD] * 5]))
    assert_equal(batch[2], np.array([True, False]))


@check("5.11", says="rows of fields; the same seed, the same order of pieces", weight=2)
def test_stream_fields(student, solution):
    assert_streamed(student, solution, (5, 2, 3), 2, 2, fields=(7,))
    for seed in (0, 3):
        assert_streamed(student, solution, (5, 2, 3, 4, 1, 6), 4, 2, seed)
