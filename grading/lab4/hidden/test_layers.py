"""Tasks 4.7 to 4.11, 4.13 and 4.14: distances, the cache, attention, the norm, block and model."""

import numpy as np

from grading.checks.assertions import (
    as_text,
    assert_array,
    assert_arrays,
    assert_close,
    assert_equal,
    assert_holds,
    check,
    float32,
)
from grading.checks.hidden import nats_per_token
from grading.checks.networks import by_layer, floats, give_learned, randomize, set_layers, silence
from grading.lab4.hidden.oracles import attend, relative_scores
from grading.lab4.networks import (
    LAYER,
    assert_own_layer,
    continue_by_steps,
    dropped,
    float16,
    layer,
    network,
    pair,
    seen_by,
)

ATOL = 1e-5  # some tens of float32 roundings, on numbers of about 1 to 10

# Task 4.7: relative logits by the definition


@check("4.7", says="q · E[d] with d at most D, for any sizes", weight=2, hidden=True)
def test_relative_random(student, rng):
    # the first sizes are such that clipping and scaling matter
    for sizes in ([4, 2, 3, 5, 1], *(rng.permutation(5) + 1 for _ in range(3))):
        target, extra, heads, dim, largest = (int(n) for n in sizes)
        source = target + extra - 1
        queries, embeddings = floats(rng, 2, target, heads, dim), floats(rng, largest + 1, dim)
        got = student.relative_logits(queries, embeddings, source)
        got, seen = float32(got, (2, heads, target, source)), seen_by(target, source)
        want = relative_scores(queries, embeddings, source)
        assert_close(got[..., seen], want[..., seen], atol=ATOL)


@check("4.7", says="the last queries' scores are the last rows of all queries'", hidden=True)
def test_relative_rows(student, rng):
    source, largest = int(rng.integers(5, 9)), int(rng.integers(2, 9))
    queries, embeddings = floats(rng, 2, source, 3, 4), floats(rng, largest + 1, 4)
    every = float32(student.relative_logits(queries, embeddings, source), (2, 3, source, source))
    assert_holds(np.ptp(every[..., -1, :]) != 0, "all scores are the same")
    for target in (1, source - 2):
        got = student.relative_logits(queries[:, -target:], embeddings, source)
        seen = seen_by(target, source)
        got = float32(got, (2, 3, target, source))
        assert_close(got[..., seen], every[:, :, -target:][..., seen], atol=ATOL)


# Task 4.8: the skew


@check("4.8", says="result[…, t, s] = scores[…, t, s + T - 1 - t]", weight=2, hidden=True)
def test_skew_random(student, rng):
    for _ in range(3):
        batch, heads, target = (int(n) for n in rng.integers(1, 6, 3))
        source = target + int(rng.integers(0, 4))
        scores = floats(rng, batch, heads, target, source)
        got = float32(student.skew(scores), scores.shape)
        for t in range(target):
            first = target - 1 - t
            assert_close(got[:, :, t, : source - first], scores[:, :, t, first:], atol=0)


@check("4.8", says="scores by distance become those of the definition", hidden=True)
def test_skew_definition(student, rng):
    target, largest = int(rng.integers(2, 6)), int(rng.integers(1, 6))
    source = target + int(rng.integers(1, 4))
    queries, embeddings = floats(rng, 2, target, 3, 4), floats(rng, largest + 1, 4)
    vectors = embeddings[np.minimum(np.arange(source)[::-1], largest)]
    got = student.skew(np.einsum("bthk,sk->bhts", queries, vectors))
    want, seen = relative_scores(queries, embeddings, source), seen_by(target, source)
    assert_close(float32(got, want.shape)[..., seen], want[..., seen], atol=ATOL)


# Task 4.9: the cache


@check("4.9", says="write and distances, for any sizes and slot", hidden=True)
def test_cache_random(student, rng):
    for _ in range(3):
        batch, heads, slots, dim, old = (int(n) for n in rng.integers(1, 7, 5))
        slot = int(rng.integers(slots))
        new, row = floats(rng, batch, heads, slots, dim), floats(rng, batch, 1, heads, dim)
        want = new.copy()
        want[:, :, slot] = row[:, 0]
        given = np.array(slot, "i4")
        got = student.build("cache", 5, "write", new, row, given)
        assert_close(float32(got, new.shape), want, atol=0)
        got = student.build("cache", 5, "distances", old, slots, given)
        assert_equal(got, old + slot - np.arange(old + slots))


@check("4.9", says="moved again and again, the last positions stay, in order", hidden=True)
def test_cache_moves(student, rng):
    window, size = int(rng.integers(2, 9)), 0
    line, old = floats(rng, 2, 3, 30, 2), np.zeros((2, 3, 0, 2), "f4")
    while size < 20:
        slots = int(rng.integers(1, 6))
        new = line[:, :, size : size + slots]
        size += slots
        want = line[:, :, max(size - window + 1, 0) : size]
        old = float32(student.build("cache", window, "move", old, new), want.shape)
        assert_close(old, want, atol=0)


# Task 4.10: relative attention


@check("4.10", says="output, keys and values, for any sizes and masks", weight=3, hidden=True)
def test_attention_random(student, rng):
    for masked in (False, True):
        # without a mask several heads, and distances that are clipped
        heads, length = int(rng.integers(1 if masked else 2, 4)), int(rng.integers(6, 12))
        window = int(rng.integers(2 if masked else 3, 9))
        largest = int(rng.integers(1, 9 if masked else window - 1))
        attention = layer(student, "RelativeAttention", 4 * heads, heads, largest, window)
        x, mask = floats(rng, 3, length, 4 * heads), None
        attention(x)
        randomize(attention, rng)
        if masked:
            mask = rng.random((3, length)) < 0.6
            mask[:, -2:] = False, True
            got = [student.build("masked_call", attention, x, mask)]
        else:
            kept = (3, heads, length, 4)
            answer = student.build("do", attention, "read", x)
            got = assert_arrays(answer, output=x.shape, keys=kept, values=kept)
        want = attend(attention, x, window, mask)
        seen = np.ones((3, length), bool) if mask is None else mask
        assert_close(float32(got[0], x.shape)[seen], want[0][seen], atol=ATOL)
        for one, other in zip(got[1:], want[1:], strict=not masked and len(got) == 3):
            assert_close(one, other, atol=ATOL)


@check("4.10", says="the same where there are hundreds of positions", hidden=True)
def test_attention_long(student, rng):
    length, window = int(rng.integers(270, 300)), int(rng.integers(100, 250))
    attention = layer(student, "RelativeAttention", 4, 2, int(rng.integers(5, 99)), window)
    x = floats(rng, 1, length, 4)
    attention(x)
    randomize(attention, rng)
    assert_close(float32(attention(x), x.shape), attend(attention, x, window)[0], atol=2 * ATOL)


@check("4.10", says="step agrees with the call, whatever slots and window", weight=2, hidden=True)
def test_attention_random_steps(student, rng):
    window, primer = (int(n) for n in rng.permutation(3)[:2] + 4)
    largest, slots = int(rng.integers(1, window - 1)), int(rng.integers(2, 4))
    attention = layer(student, "RelativeAttention", 6, 3, largest, window)
    x = floats(rng, 2, 9, 6)
    attention(x)
    randomize(attention, rng)
    want, *parts = attend(attention, x, window)
    kept = [part[:, :, :primer].astype("f4") for part in parts]
    got = continue_by_steps(student, attention, x, kept, primer, slots, window, rng, one_layer=True)
    assert_close(got, want[:, primer:], atol=ATOL)


@check("4.10", says="it works in half precision, with the mask's 1e9 too", hidden=True)
def test_attention_half(student, rng):
    x, sizes = floats(rng, 2, 7, 8), [8, 2, int(rng.integers(2, 9)), int(rng.integers(2, 5))]
    x = x.astype("f2")
    assert_own_layer(student, "RelativeAttention", *sizes)
    answer = student.build("in_half_precision", "RelativeAttention", sizes, x, "read")
    kept = (2, 2, 7, 4)
    for one in assert_arrays(answer, output=x.shape, keys=kept, values=kept):
        float16(one, one.shape)


# Task 4.11: the norm


@check("4.11", says="the formula, for any shape", hidden=True)
def test_norm_random(student, rng):
    shape = tuple(int(n) for n in rng.integers(2, 7, int(rng.integers(3, 5))))
    norm = layer(student, "RMSNorm")
    norm(floats(rng, *shape))
    randomize(norm, rng)
    weights = by_layer(norm, LAYER)
    assert_holds(list(weights) == [("norm", "scale")], f"other weights: {as_text(list(weights))}")
    scale = weights["norm", "scale"].astype("f8")
    for size in (1e-3, 1, 1e3):
        x = (size * floats(rng, *shape)).astype("f4")
        want = x / np.sqrt((x.astype("f8") ** 2).mean(axis=-1, keepdims=True) + 1e-6) * scale
        assert_close(float32(norm(x), shape), want, atol=ATOL)


@check("4.11", says="float16 numbers of any size", hidden=True)
def test_norm_random_half(student, rng):
    size = 10.0 ** rng.permutation([-3, -2, -1, 1, 3, 4])[:, None]
    x = np.clip(size * rng.normal(size=(6, 8)), -6e4, 6e4).astype("f2")
    assert_own_layer(student, "RMSNorm")
    got = student.build("in_half_precision", "RMSNorm", [], x, "__call__", scale=2.0)
    exact = x.astype("f8")
    want = 2 * exact / np.sqrt((exact**2).mean(axis=-1, keepdims=True) + 1e-6)
    # float16 rounds at 5e-4, numbers of up to 6
    assert_close(float16(got, x.shape), want, rtol=1.5e-3, atol=1e-4)


# Task 4.13: a block


@check("4.13", says="both sub-layers and step, for any sizes", weight=2, hidden=True)
def test_block_random(student, solution, rng):
    heads, ff_dim, largest, window, length = (int(n) for n in rng.permutation(5) + 2)
    sizes = ("TransformerBlock", 4 * heads, heads, ff_dim, largest, window)
    mine, theirs = pair(student, solution, rng, *sizes)
    x = 2 * floats(rng, 2, length, 4 * heads)
    assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)
    parts = [floats(rng, 2, heads, size, 4) for size in (3, 3, 2, 2)]
    got = student.build("do", mine, "step", x[:, :1], 1, *parts)
    names = {"output": (2, 1, 4 * heads), "keys": parts[2].shape, "values": parts[3].shape}
    want = solution.build("do", theirs, "step", x[:, :1], 1, *parts)
    for one, other in zip(assert_arrays(got, **names), want, strict=True):
        assert_close(one, other, atol=ATOL)


@check("4.13", says="dropout of each sub-layer's result, in training only", hidden=True)
def test_block_dropout(student, rng):
    block = layer(student, "TransformerBlock", 8, 2, 12, 5, 4, 0.5)
    x = floats(rng, 8, 8, 8)
    block(x)
    for silent in ("output_projection", "contract"):
        # 512 choices with probability 0.5: 0.14 is more than six deviations
        share = dropped(block, x, silent, rng)
        assert_holds(abs(share - 0.5) < 0.14, "the wrong share is dropped")


# Task 4.14: the Music Transformer


@check("4.14", says="logits and steps, for any size", weight=2, hidden=True)
def test_model_random(student, solution, rng):
    heads, ff_dim, largest, window = (int(n) for n in rng.permutation(4) + 2)
    vocab_size, tied = int(rng.integers(9, 20)), bool(rng.integers(2))
    sizes = (vocab_size, 4 * heads, heads, ff_dim, 2, largest, window, 0.2, tied)
    mine, theirs = pair(student, solution, rng, "MusicTransformer", *sizes)
    ids = rng.integers(0, vocab_size, (2, window + 4)).astype("i4")
    ids[0, 1] = 0  # PAD is seen like any other
    want = theirs(ids)
    assert_close(float32(mine(ids), want.shape), want, atol=ATOL)
    primer = int(rng.integers(1, 5))
    kept = student.build("do", mine, "read", ids[:, :primer])
    kept = assert_arrays(kept, **{str(i): (2, heads, primer, 4) for i in range(4)})
    got = continue_by_steps(student, mine, ids, kept, primer, 3, window, rng, one_layer=False)
    got = float32(got, want[:, primer:].shape)
    assert_close(got, want[:, primer:], atol=ATOL)


@check("4.14", says="dropout of the embedding and in blocks, in training only", hidden=True)
def test_model_dropout(student, rng):
    music = network(student, 16, 16, 2, 12, 1, 5, 4, 0.5, False)
    ids = rng.integers(0, 16, (8, 8))
    randomize(music, rng)
    # blocks that add nothing, and logits that are what goes into the last layer
    silence(music, "contract", "output_projection")
    set_layers(music, {("norm", "scale"): np.ones(16, "f4")}, LAYER)
    set_layers(music, {("embedding", "reverse_embeddings"): np.eye(16, dtype="f4")}, LAYER)
    for training, share in ((False, 0.0), (True, 0.5)):
        hidden = assert_array(music(ids, training=training), (8, 8, 16), "f")
        zeros = (np.abs(hidden) < 1e-6).mean()
        # 1,024 choices with probability 0.5: 0.1 is six deviations
        assert_holds(abs(zeros - share) < 0.1, "the wrong share of the embedding is 0")
    bias = np.full(16, 1e4, "f4")  # what the block adds, unless it is dropped
    set_layers(music, {("block_0", "block_0_contract", "bias"): bias}, LAYER)
    hidden = assert_array(music(ids, training=True), (8, 8, 16), "f")
    lost = (hidden < 0.1).mean()
    assert_holds(abs(lost - 0.5) < 0.1, "the wrong share is dropped in the blocks")
    # Keras says that it trains only to a model whose call asks; the weights stand still
    losses = student.build("losses_of_fit", music, ids, ids, 2)
    differ = type(losses) is list and len(losses) == 2 and losses[0] != losses[1]
    assert_holds(differ, "nothing is dropped when `fit` trains the model")


@check("4.14", says="in training the model learns one batch by heart", hidden=True)
def test_model_learns(student, solution, rng):
    sizes = (9, 16, 2, 16, 1, 5, 8)
    mine, theirs = network(student, *sizes), network(solution, *sizes)
    targets = rng.integers(3, 9, (4, 6))
    ids = np.c_[rng.permutation(8)[:4] + 1, targets[:, :-1]]
    mine.train(ids, targets, steps=80, learning_rate=0.01)
    give_learned(mine, theirs, LAYER)
    logits = theirs(ids)
    # chance is ln 6 = 1.8; the solution came below 0.22 in each of 150 draws
    assert_holds(nats_per_token(targets, logits) < 0.5, "one batch is not learned by heart")
    # trained logits are about 10: ten times the roundings above
    assert_close(float32(mine(ids), logits.shape), logits, atol=1e-4)
