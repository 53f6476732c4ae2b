"""Tasks 5.12 to 5.20: linear attention, compound words, losses, generation."""

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
    naming,
)
from grading.checks.networks import floats
from grading.lab5.hidden.oracles import Script, feature, linear, nats
from grading.lab5.networks import ATOL, FIELD_SIZES, XL, call, made, pair, rows, seven
from grading.lab5.public.test_linear import chunked, gumbel, line, script, some_targets
from grading.lab5.words import PAD

TYPE = 3

# Tasks 5.12 to 5.14


def any_line(rng):
    batch, heads, dim, values = (int(n) for n in rng.integers(1, 5, 4))
    return line(rng, int(rng.integers(5, 10)), batch, heads, dim, values, scale=2)


@check("5.12", says="the definition, for any sizes", hidden=True)
def test_linear_random(student, rng):
    for _ in range(3):
        inputs = any_line(rng)
        want = linear(*inputs)
        got = student.build("given_tensors", "linear_attention", *inputs)
        assert_close(float32(got, want.shape), want, atol=2 * ATOL)


@check("5.13", says="the definition, for any sizes and chunks", weight=2, hidden=True)
def test_chunks_random(student, rng):
    for chunk in (2, 3, int(rng.integers(4, 12))):
        inputs = any_line(rng)
        output, sums, normaliser = chunked(student, inputs, chunk)
        assert_close(output, linear(*inputs), atol=2 * ATOL)
        keys = feature(inputs[1].astype("f8"))
        assert_close(sums, np.einsum("bhsk,bhsv->bhkv", keys, inputs[2]), atol=10 * ATOL)
        assert_close(normaliser, keys.sum(axis=2), atol=10 * ATOL)


@check(
    "5.13", says="a long line in half precision: sums in float32, nothing quadratic", hidden=True
)
def test_chunks_long(student, rng):
    length, size = 40_000, float(rng.integers(5, 9))
    line = np.full((1, 1, length, 4), size, "f2")  # its sums pass 65,504, its weights' square 6 GB
    answer = student.build("given_tensors", "causal_linear_attention", line, line, line)
    shapes = {"output": line.shape, "sums": (1, 1, 4, 4), "normaliser": (1, 1, 4)}
    output, sums, _ = assert_arrays(answer, **shapes)
    # float16 rounds by 5e-4, a float32 sum of 40,000 by some 1e-4
    assert_close(output.astype("f4"), np.full(line.shape, size), rtol=2e-3)
    assert_close(sums, np.full((1, 1, 4, 4), length * (size + 1) * size), rtol=1e-3)


@check("5.14", says="any state, any sizes; sums stay float32 in half precision", hidden=True)
def test_step_random(student, rng):
    inputs = any_line(rng)
    batch, heads, length, dim = inputs[0].shape
    state = [
        np.zeros((batch, heads, dim, inputs[2].shape[-1]), "f4"),
        np.zeros((batch, heads, dim), "f4"),
    ]
    want = linear(*inputs)
    for place in range(length):
        step = [part[:, :, place] for part in inputs]
        answer = student.build("given_tensors", "linear_attention_step", *step, *state)
        output, *state = assert_parts(answer, "output", "sums", "normaliser")
        assert_close(output, want[:, :, place], atol=2 * ATOL)
    large = [np.full((1, 1, 2), 9, "f2")] * 3
    state = [np.full((1, 1, 2, 2), 1e5, "f4"), np.full((1, 1, 2), 1e5, "f4")]
    answer = student.build("given_tensors", "linear_attention_step", *large, *state)
    _, sums, normaliser = assert_parts(answer, "output", "sums", "normaliser")
    assert_close(float32(sums, (1, 1, 2, 2)), np.full((1, 1, 2, 2), 1e5 + 90))
    assert_close(float32(normaliser, (1, 1, 2)), np.full((1, 1, 2), 1e5 + 10))


# Tasks 5.15 to 5.17


def any_sizes(rng):
    sizes = tuple(int(n) for n in rng.integers(2, 8, 7))
    return (*sizes[:3], 3, *sizes[4:]), tuple(int(n) for n in rng.integers(2, 7, 7))


def any_rows(rng, sizes, *shape):
    return np.stack([rng.integers(0, size, shape) for size in sizes], axis=-1).astype("i4")


@check("5.15", says="any sizes and widths", hidden=True)
def test_embedding_random(student, solution, rng):
    sizes, widths = any_sizes(rng)
    mine, theirs = pair(student, solution, rng, "CompoundEmbedding", sizes, widths, 6)
    words = any_rows(rng, sizes, 2, 5)
    got = float32(call(student, mine, words), (2, 5, 6))
    assert_close(got, call(solution, theirs, words), atol=ATOL)
    got = float32(student.build("do", mine, "of_types", words[..., TYPE]), (2, 5, widths[TYPE]))
    assert_close(got, solution.build("do", theirs, "of_types", words[..., TYPE]), atol=ATOL)


@check("5.16", says="any sizes; the type's logits do not depend on the type's vector", hidden=True)
def test_heads_random(student, solution, rng):
    sizes, widths = any_sizes(rng)
    mine, theirs = pair(student, solution, rng, "CompoundHeads", sizes, widths[TYPE], 6)
    hidden = floats(rng, 2, 5, 6)
    found = []
    for _ in range(2):
        vectors = floats(rng, 2, 5, widths[TYPE])
        found.append(seven(call(student, mine, hidden, vectors)))
        assert_each([""] * 7, found[-1], call(solution, theirs, hidden, vectors), atol=ATOL)
    assert_close(found[0][TYPE], found[1][TYPE])


@check("5.17", says="logits, steps and draws, for any size", weight=2, hidden=True)
def test_compound_random(student, solution, rng):
    sizes, widths = any_sizes(rng)
    heads, layers = (int(n) for n in rng.integers(1, 4, 2))
    arguments = (sizes, widths, 4 * heads, heads, 9, layers)
    mine, theirs = pair(student, solution, rng, "CompoundTransformer", *arguments)
    words, types = any_rows(rng, sizes, 2, 9), rng.integers(0, 3, (2, 9))
    got = seven(call(student, mine, words, types))
    assert_each([""] * 7, got, call(solution, theirs, words, types), atol=ATOL)
    want, _ = solution.build("do", theirs, "read", words)
    got = student.build("stepped", mine, words, 4, 2)
    assert_each([""] * 6, got, want[:, 3:].swapaxes(0, 1), atol=10 * ATOL)
    hidden, noise = floats(rng, 50, 4 * heads), gumbel(rng, 50, sum(sizes))
    given = (
        "draw",
        hidden,
        noise,
        rng.uniform(0.3, 3, 7).tolist(),
        rng.uniform(0.3, 1, 7).tolist(),
    )
    drawn = int32(student.build("do", mine, *given), (50, 7))
    wanted = solution.build("do", theirs, *given)
    # a draw in 350 may be decided by a rounding
    assert_holds((drawn != wanted).sum() <= 7, "other rows are drawn")


@check("5.17", says="dropout of the embedding, in training only", hidden=True)
def test_compound_dropout(student, rng):
    widths = (4, 3, 2, 2, 5, 3, 3)
    music = made(student, "CompoundTransformer", FIELD_SIZES, widths, 8, 2, 9, 0, 0.5)
    inputs = [rows(rng, 3, 6), rng.integers(0, 3, (3, 6))]
    calm, again = (seven(call(student, music, *inputs))[0] for _ in range(2))
    assert_close(calm, again)
    shaken = seven(student.build("trained", music, inputs))[0]
    assert_holds((assert_array(shaken, calm.shape) != calm).any(), "nothing is dropped")


# Tasks 5.18 and 5.19


@check("5.18", says="the mean of seven means, for any targets", hidden=True)
def test_loss_random(student, rng):
    for _ in range(3):
        targets, logits = some_targets(rng, length=int(rng.integers(3, 8)))
        is_row = targets[..., 0] != PAD
        means = [nats(targets[..., i], one).sum() / is_row.sum() for i, one in enumerate(logits)]
        got = student.build("given_tensors", "compound_loss", targets, logits)
        assert_close(float32(got, ()), np.array(np.mean(means)))


@check("5.18", says="its gradient by each field's logits", hidden=True)
def test_loss_gradient(student, rng):
    targets, logits = some_targets(rng)
    is_row = targets[..., 0] != PAD
    wanted = []
    for i, one in enumerate(logits):
        powers = np.exp(one.astype("f8") - one.max(axis=-1, keepdims=True))
        right = targets[..., i, None] == np.arange(one.shape[-1])
        slope = powers / powers.sum(axis=-1, keepdims=True) - right
        wanted.append(slope * is_row[..., None] / is_row.sum() / 7)
    got = student.build("compound_gradient", targets, logits)
    assert_close(got, np.concatenate(wanted, axis=-1))


@check("5.19", says="nats and notes, for any targets", hidden=True)
def test_nats_random(student, rng):
    for _ in range(3):
        targets, logits = some_targets(rng, length=int(rng.integers(3, 8)))
        targets[0, :, 4:] = np.where(targets[0, :, 4:] > 2, 0, targets[0, :, 4:])
        want = 0.0
        for i, one in enumerate(logits):
            carries = targets[..., i] > (-1 if i == TYPE else 0)
            want += nats(targets[..., i], one)[carries].sum()
        got = student.build("given_tensors", "nats_and_notes", targets, logits)
        found, count = assert_parts(got, "nats", "notes")
        assert_close(found, np.array(want), rtol=1e-4)
        assert_close(count, np.array((targets[..., TYPE] == 2).sum(), "f4"))


# Task 5.20, with the script of the public checks

NEAR = 1e-3  # what is nearer may change places by rounding


def decided(rng, fields, length, steps, end=-50.0, warm=False):
    """Draw a script, primers and noise so that no word is chosen by a rounding."""
    while True:
        table = script(rng, fields, end)
        shape = (3, length, 7) if fields else (3, length)
        primers = rng.integers(0, 5, shape).astype("i4")
        noise, count = gumbel(rng, 3, steps, table.shape[1]), max(fields, 1)
        options = [[1.0] * count] * 2
        if warm:
            options = [rng.uniform(0.3, 2, count).tolist(), rng.uniform(0.3, 1, count).tolist()]
        want, gap = Script(table, fields).generate(primers, noise, *options)
        if gap > NEAR:
            return (table, fields, primers, noise, *options), want


@check("5.20", says="any primers, noise, slots and temperatures", weight=3, hidden=True)
def test_generate_random(student, rng):
    for fields in (0, 7):
        for end, warm in ((-50.0, False), (2.0, True)):
            slots = int(rng.integers(2, 5))
            steps = 2 * slots + int(rng.integers(1, slots))
            given, want = decided(rng, fields, int(rng.integers(1, 9)), steps, end, warm)
            got = assert_parts(student.build("generate_script", *given, slots), "words", "steps")
            assert_equal(int32(got[0], want.shape), want)


@check("5.20", says="one step for the batch; it ends when all are done", hidden=True)
def test_generate_steps(student, rng):
    lengths = [30]
    while max(lengths) > 15 or min(lengths) == max(lengths):  # all end early, not at once
        given, want = decided(rng, 0, 2, 30, 3.0)
        lengths = (want != 0).sum(axis=1).tolist()
    words, steps = assert_parts(student.build("generate_script", *given, 30), "words", "steps")
    assert_equal(words, want)
    assert_holds(type(steps) is int and steps <= max(lengths) + 2, "more steps than words")


@check("5.20", says="compiled as a whole it generates the same", hidden=True)
def test_generate_compiled(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "TransformerXL", *XL)
    primers, noise = rng.integers(1, 13, (2, 3)).astype("i4"), gumbel(rng, 2, 12, 13)
    got = student.build("generate_compiled", mine, primers, noise, [[1.0], [0.9], 6])
    with naming("compiled"):
        assert_equal(
            int32(got, (2, 12)), solution.generate(theirs, primers, noise, [1.0], [0.9], 6)
        )
