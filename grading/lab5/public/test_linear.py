"""Tasks 5.12 to 5.20: linear attention, compound words, losses, generation."""

import numpy as np

from grading.checks.assertions import (
    assert_arrays,
    assert_close,
    assert_each,
    assert_equal,
    assert_holds,
    assert_parts,
    assert_same_after,
    check,
    float32,
    int32,
    naming,
)
from grading.checks.networks import by_layer, floats, randomize
from grading.lab5.networks import (
    ATOL,
    COMPOUND,
    FIELD_SIZES,
    LAYER,
    WIDTHS,
    XL,
    call,
    made,
    pair,
    rows,
    seven,
)
from grading.lab5.words import PAD

TYPE = 3

# Tasks 5.12 to 5.14: three ways to one result


def line(rng, length, batch=2, heads=3, dim=4, values=5, scale=1.0):
    sizes = (dim, dim, values)
    return [np.float32(scale) * floats(rng, batch, heads, length, size) for size in sizes]


def attended(code, task, *inputs):
    return code.build("given_tensors", task, *inputs)


@check("5.12", says="float32 (batch, heads, T, value_dim), causal")
def test_linear_causal(student, rng):
    inputs = line(rng, 6)
    before = float32(attended(student, "linear_attention", *inputs), (2, 3, 6, 5))
    for part in inputs:
        part[:, :, 4] += 1
    after = float32(attended(student, "linear_attention", *inputs), before.shape)
    assert_same_after("position 4, before it,", after[:, :, :4], before[:, :, :4])
    assert_holds(np.abs(after - before)[:, :, 4:].min(axis=(0, 1, 3)).max() > 0, "nothing changes")


@check("5.12", says="weights φ(q) · φ(k), φ = elu + 1, divided by their sum", weight=3)
def test_linear_values(student, solution, rng):
    for length, scale in ((1, 1), (5, 1), (7, 3)):
        inputs = line(rng, length, scale=scale)
        got = float32(attended(student, "linear_attention", *inputs), (2, 3, length, 5))
        assert_close(got, attended(solution, "linear_attention", *inputs), atol=ATOL)


KEPT = ("output", "sums", "normaliser")


def chunked(code, inputs, chunk):
    answer = attended(code, "causal_linear_attention", *inputs, chunk)
    batch, heads, length, dim = inputs[0].shape
    values = inputs[2].shape[-1]
    shapes = ((batch, heads, length, values), (batch, heads, dim, values), (batch, heads, dim))
    return assert_arrays(answer, **dict(zip(KEPT, shapes, strict=True)))


@check("5.13", says="output, sums and normaliser: shapes and float32")
def test_chunks_contract(student, rng):
    for length, chunk in ((1, 4), (6, 3), (7, 64)):
        for part in chunked(student, line(rng, length), chunk):
            float32(part, part.shape)


@check("5.13", says="the definition's output, whatever the chunk", weight=3)
def test_chunks_values(student, solution, rng):
    inputs = line(rng, 12)
    want = attended(solution, "linear_attention", *inputs)
    for chunk in (12, 4, 1, 64):
        with naming(f"chunk {chunk}"):
            assert_close(chunked(student, inputs, chunk)[0], want, atol=ATOL)


@check("5.13", says="a last chunk that is not full changes nothing", weight=2)
def test_chunks_ragged(student, solution, rng):
    inputs = line(rng, 11)
    want = attended(solution, "causal_linear_attention", *inputs, 11)
    for chunk in (4, 5, 10):
        with naming(f"chunk {chunk} of 11 positions"):
            assert_each(KEPT, chunked(student, inputs, chunk), want, atol=ATOL)


@check("5.13", says="the sums over all positions", weight=2)
def test_chunks_sums(student, solution, rng):
    for length, chunk in ((1, 1), (8, 4), (9, 64)):
        inputs = line(rng, length)
        want = attended(solution, "causal_linear_attention", *inputs, chunk)
        assert_each(KEPT, chunked(student, inputs, chunk), want, atol=ATOL)


STEP = ("output", "sums", "normaliser")


@check("5.14", says="the output, and the sums with this position included", weight=3)
def test_step_values(student, solution, rng):
    for _ in range(2):
        inputs = [part[:, :, 0] for part in line(rng, 1)]
        state = [floats(rng, 2, 3, 4, 5), np.abs(floats(rng, 2, 3, 4))]
        got = attended(student, "linear_attention_step", *inputs, *state)
        shapes = ((2, 3, 5), (2, 3, 4, 5), (2, 3, 4))
        got = assert_arrays(got, **dict(zip(STEP, shapes, strict=True)))
        want = attended(solution, "linear_attention_step", *inputs, *state)
        assert_each(STEP, got, want, atol=ATOL)


@check("5.14", says="step by step, the definition's output", weight=2)
def test_step_by_step(student, solution, rng):
    inputs = line(rng, 6)
    want = attended(solution, "linear_attention", *inputs)
    state = [np.zeros((2, 3, 4, 5), "f4"), np.zeros((2, 3, 4), "f4")]
    for place in range(6):
        step = [part[:, :, place] for part in inputs]
        answer = attended(student, "linear_attention_step", *step, *state)
        output, *state = assert_parts(answer, *STEP)
        with naming(f"step {place}"):
            assert_close(output, want[:, :, place], atol=ATOL)


# Tasks 5.15 and 5.16: seven embeddings, seven heads


@check("5.15", says="float32 (batch, length, d_model); weights as stated")
def test_embedding_contract(student, rng):
    layer = made(student, "CompoundEmbedding", FIELD_SIZES, WIDTHS, 8)
    for batch, length in ((1, 1), (2, 5)):
        float32(call(student, layer, rows(rng, batch, length)), (batch, length, 8))
    weights = by_layer(layer, LAYER)
    assert_holds(len(weights) == 9, f"expected 9 weights, got {len(weights)}")


@check("5.15", says="each field's vector times √width, joined, projected", weight=3)
def test_embedding_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundEmbedding", FIELD_SIZES, WIDTHS, 8)
    words = rows(rng, 3, 6)
    got = float32(call(student, mine, words), (3, 6, 8))
    assert_close(got, call(solution, theirs, words), atol=ATOL)


@check("5.15", says="of_types: the type's vectors, scaled too")
def test_embedding_types(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundEmbedding", FIELD_SIZES, WIDTHS, 8)
    for types in (np.array([0, 2, 1]), np.array([[1, 2], [0, 0]])):
        got = float32(student.build("do", mine, "of_types", types), (*types.shape, 2))
        assert_close(got, solution.build("do", theirs, "of_types", types), atol=ATOL)


@check("5.16", says="seven float32 logits, in the order of the fields")
def test_heads_contract(student, rng):
    layer = made(student, "CompoundHeads", FIELD_SIZES, 2, 8)
    answer = seven(call(student, layer, floats(rng, 2, 5, 8), floats(rng, 2, 5, 2)))
    for size, logits in zip(FIELD_SIZES, answer, strict=True):
        float32(logits, (2, 5, size))


@check("5.16", says="the type from the hidden vector, the others from it and the type's", weight=3)
def test_heads_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundHeads", FIELD_SIZES, 2, 8)
    inputs = floats(rng, 3, 4, 8), floats(rng, 3, 4, 2)
    names = [f"field {i}" for i in range(7)]
    got = seven(call(student, mine, *inputs))
    assert_each(names, got, call(solution, theirs, *inputs), atol=ATOL)
    types = float32(student.build("do", mine, "of_type", inputs[0]), (3, 4, 3))
    with naming("of_type"):
        assert_close(types, solution.build("do", theirs, "of_type", inputs[0]), atol=ATOL)


# Task 5.17: the model

NAMES = [f"field {i}" for i in range(7)]


@check("5.17", says="seven float32 logits, causal, also in half precision")
def test_compound_contract(student, rng):
    music = made(student, "CompoundTransformer", *COMPOUND)
    randomize(music, rng)
    words, types = rows(rng, 2, 6), rng.integers(0, 3, (2, 6))
    before = seven(call(student, music, words, types))
    words[:, 4] = (words[:, 4] + 1) % 3
    after = seven(call(student, music, words, types))
    for size, one, other in zip(FIELD_SIZES, before, after, strict=True):
        one, other = float32(one, (2, 6, size)), float32(other, (2, 6, size))
        assert_same_after("row 4, before it,", other[:, :4], one[:, :4])
        assert_holds(np.abs(one - other)[:, 4:].max() > 1e-3, "row 4 should matter from there on")
    half = student.build(
        "in_float16", "CompoundTransformer", [*COMPOUND], "__call__", [words, types]
    )
    for size, one in zip(FIELD_SIZES, seven(half), strict=True):
        assert_holds(np.isfinite(float32(one, (2, 6, size))).all(), "NaN or infinity in float16")


@check("5.17", says="embedding, positions, layers, norm, heads", weight=3)
def test_compound_logits(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundTransformer", *COMPOUND)
    words, types = rows(rng, 3, 7), rng.integers(0, 3, (3, 7))
    got = seven(call(student, mine, words, types))
    assert_each(NAMES, got, call(solution, theirs, words, types), atol=ATOL)


@check("5.17", says="read: hidden vectors, and what each layer keeps")
def test_compound_read(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundTransformer", *COMPOUND)
    words = rows(rng, 2, 5)
    hidden, kept = assert_parts(student.build("do", mine, "read", words), "hidden", "kept")
    want = solution.build("do", theirs, "read", words)
    with naming("hidden"):
        assert_close(hidden, want[0], atol=ATOL)
    names = [f"kept[{i}]" for i in range(4)]
    assert_each(names, assert_parts(kept, *names), want[1], atol=10 * ATOL)  # sums of 5


@check("5.17", says="start and step: each row at its own position", weight=3)
def test_compound_steps(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundTransformer", *COMPOUND)
    words = rows(rng, 2, 8)
    want, _ = solution.build("do", theirs, "read", words)
    for primer in (1, 2, 5):
        got = student.build("stepped", mine, words, primer, 3)
        names = [f"after a primer of {primer}: step {i}" for i in range(9 - primer)]
        got = assert_parts(got, *names)
        assert_each(names, got, want[:, primer - 1 :].swapaxes(0, 1), atol=10 * ATOL)


@check(
    "5.17", says="draw: the type first, then each field by its own temperature and top-p", weight=2
)
def test_compound_draw(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "CompoundTransformer", *COMPOUND)
    hidden, noise = floats(rng, 60, 8), rng.gumbel(size=(60, sum(FIELD_SIZES))).astype("f4")
    hot, cold = [1.0] * 7, [0.2, 3.0, 0.5, 2.0, 0.3, 4.0, 1.0]
    for temperatures, top_ps in (
        (hot, hot),
        (cold, hot),
        (hot, [0.3, 0.9, 0.5, 0.8, 0.4, 0.7, 1.0]),
    ):
        given = ("draw", hidden, noise, temperatures, top_ps)
        got = int32(student.build("do", mine, *given), (60, 7))
        with naming(f"temperatures {temperatures}, top_ps {top_ps}"):
            assert_equal(got, solution.build("do", theirs, *given))


# Tasks 5.18 and 5.19: losses


def some_targets(rng, length=5):
    """Draw targets, and logits; the rows end early, one at once."""
    targets = rows(rng, 3, length)
    lengths = np.array([length, 0, 2])[:, None]
    targets[np.arange(length) >= lengths] = PAD
    return targets, [2 * floats(rng, 3, length, size) for size in FIELD_SIZES]


@check("5.18", says="a float32 scalar; the mean of seven means", weight=3)
def test_loss_values(student, solution, rng):
    for _ in range(2):
        targets, logits = some_targets(rng)
        got = float32(student.build("given_tensors", "compound_loss", targets, logits), ())
        assert_close(got, solution.build("given_tensors", "compound_loss", targets, logits))


@check("5.18", says="padding does not count; 0 if all is padding", weight=2)
def test_loss_padding(student, rng):
    targets, logits = some_targets(rng)
    got = float32(student.build("given_tensors", "compound_loss", targets, logits), ())
    assert_holds(got > 0, f"the loss is {got}, though not all is padding")
    is_pad = targets[..., :1] == PAD
    others = [np.where(is_pad, floats(rng, *one.shape), one) for one in logits]
    after = student.build("given_tensors", "compound_loss", targets, others)
    assert_same_after("other logits at padding", after, got)
    nothing = np.full_like(targets, PAD)
    with naming("all targets are padding"):
        got = student.build("given_tensors", "compound_loss", nothing, logits)
        assert_close(got, np.zeros((), "f4"))


@check("5.19", says="float32 nats and notes: the type, and fields that are not 0", weight=3)
def test_nats_values(student, solution, rng):
    for _ in range(2):
        targets, logits = some_targets(rng)
        got = student.build("given_tensors", "nats_and_notes", targets, logits)
        nats, count = assert_parts(got, "nats", "notes")
        want = solution.build("given_tensors", "nats_and_notes", targets, logits)
        with naming("nats"):
            assert_close(float32(nats, ()), want[0])
        with naming("notes"):
            assert_close(float32(count, ()), want[1])


@check("5.19", says="what is 0 costs nothing; the end costs its type")
def test_nats_zero(student, rng):
    targets = np.zeros((1, 2, 7), "i4")
    targets[:, 1] = PAD
    logits = [floats(rng, 1, 2, size) for size in FIELD_SIZES]
    got = student.build("given_tensors", "nats_and_notes", targets, logits)
    nats, count = assert_parts(got, "nats", "notes")
    row = logits[TYPE][0, 0].astype("f8")
    assert_close(nats, np.array(np.log(np.exp(row).sum()) - row[0]))
    assert_close(count, np.zeros(()))


# Task 5.20: generation, mostly with a script in the place of a model (`Script` in
# grading/lab5/builders.py), which says what comes by each word that was read, in order


def script(rng, fields, end=-50.0):
    """A table of logits; `end` is added to those of the end."""
    table = rng.normal(0, 2, (29, 7 * 6 if fields else 15)).astype("f4")
    table[:, 3 * 6 if fields else 0] += end
    return table


def gumbel(rng, *shape):
    return rng.gumbel(size=shape).astype("f4")


def assert_generated(student, solution, rng, fields, length, steps, slots, end=-50.0, warm=False):
    table = script(rng, fields, end)
    shape = (3, length, 7) if fields else (3, length)
    primers, noise = rng.integers(0, 5, shape).astype("i4"), gumbel(rng, 3, steps, table.shape[1])
    count = max(fields, 1)
    ones = [1.0] * count
    temperatures = rng.uniform(0.3, 2, count).tolist() if warm else ones
    top_ps = rng.uniform(0.3, 1, count).tolist() if warm else ones
    given = (table, fields, primers, noise, temperatures, top_ps, slots)
    want, _ = solution.build("generate_script", *given)
    got, _ = assert_parts(student.build("generate_script", *given), "words", "steps")
    with naming(f"a primer of {length}, {steps} steps, {slots} slots, {fields or 'no'} fields"):
        assert_equal(int32(got, want.shape), want)


@check("5.20", says="int32 (batch, steps), or with fields; zeros after the end")
def test_generate_contract(student, rng):
    for fields, shape in ((0, (3, 9)), (7, (3, 9, 7))):
        table = script(rng, fields, end=2.0)
        primers = np.zeros((3, 1, 7) if fields else (3, 1), "i4")
        noise, ones = gumbel(rng, 3, 9, table.shape[1]), [1.0] * max(fields, 1)
        got = student.build("generate_script", table, fields, primers, noise, ones, ones, 4)
        words = int32(assert_parts(got, "words", "steps")[0], shape)
        types = words[..., TYPE] if fields else words
        for row in range(3):
            ends = np.flatnonzero(types[row] == 0)
            after = words[row, ends[0] :] if len(ends) else words[row, :0]
            assert_holds(not after.any(), f"row {row} goes on after its end")


@check("5.20", says="each word is read once, in its place; noise[:, t] decides the t-th", weight=3)
def test_generate_script(student, solution, rng):
    for fields in (0, 7):
        for length, steps in ((1, 4), (6, 9)):
            assert_generated(student, solution, rng, fields, length, steps, 64)


@check("5.20", says="the model moves after each `slots` steps, and goes on", weight=2)
def test_generate_slots(student, solution, rng):
    for fields, slots in ((0, 1), (0, 4), (7, 3)):
        assert_generated(student, solution, rng, fields, 3, 11, slots)


@check("5.20", says="a row is done at its end, the others go on", weight=2)
def test_generate_end(student, solution, rng):
    for fields in (0, 7):
        assert_generated(student, solution, rng, fields, 2, 12, 5, end=2.5)


@check("5.20", says="temperatures and top-ps reach draw, a field each")
def test_generate_filter(student, solution, rng):
    for fields in (0, 7):
        assert_generated(student, solution, rng, fields, 2, 6, 4, warm=True)


@check("5.20", says="both models generate", weight=2)
def test_generate_models(student, solution, rng):
    for kind, sizes, shape, vocab in (
        ("TransformerXL", XL, (2, 3), 13),
        ("CompoundTransformer", COMPOUND, (2, 3, 7), sum(FIELD_SIZES)),
    ):
        mine, theirs = pair(student, solution, rng, kind, *sizes)
        fields = [1.0] * (7 if len(shape) == 3 else 1)
        primers = np.zeros(shape, "i4")
        primers[:, 1:] = 1
        noise = gumbel(rng, 2, 7, vocab)
        got = student.generate(mine, primers, noise, fields, fields, slots=4)
        want = solution.generate(theirs, primers, noise, fields, fields, slots=4)
        with naming(kind):
            assert_equal(int32(got, want.shape), want)
