"""Tasks 6.1 to 6.5: rotary positions, networks, attention, block and model."""

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_arrays,
    assert_close,
    assert_holds,
    check,
    float32,
)
from grading.checks.hidden import nats_per_token
from grading.checks.networks import floats, give_learned, randomize, set_layers, silence
from grading.lab6.hidden.oracles import attend, feed_forward, turned
from grading.lab6.networks import (
    ATOL,
    GPT2,
    LAYER,
    LLAMA,
    SIZES,
    continue_by_steps,
    float16,
    layer,
    network,
    pair,
)

# Task 6.1: rotary positions


@check("6.1", says="the rotation, for any sizes and offset", weight=2, hidden=True)
def test_rotate_random(student, rng):
    for _ in range(3):
        batch, length, heads, half = (int(n) for n in rng.integers(2, 6, 4))
        x, offset = floats(rng, batch, length, heads, 2 * half), int(rng.integers(1, 50))
        got = student.rotate(x, np.array(offset, "i4"))
        # an angle of up to 55 is rounded by 4e-6, numbers are of up to 5
        assert_close(float32(got, x.shape), turned(x, offset), atol=5e-5)


@check("6.1", says="far positions in float16: angles are computed in float32", hidden=True)
def test_rotate_half(student, rng):
    x, offset = floats(rng, 1, 3, 2, 8).astype("f2"), int(rng.integers(300, 900))
    # float16 rounds numbers of up to 4 at 2e-3
    assert_close(float16(student.rotate(x, offset), x.shape), turned(x, offset), atol=5e-3)


# Task 6.2: two networks


@check("6.2", says="both networks, with and without biases, for any sizes", weight=2, hidden=True)
def test_network_random(student, rng):
    for kind in ("gelu", "swiglu"):
        for biases in (False, True):
            d_model, ff_dim = (int(n) for n in rng.permutation(6)[:2] + 3)
            settings = {"d_model": d_model, "ff_dim": ff_dim, "network": kind, "biases": biases}
            made, x = layer(student, "FeedForward", **settings), 3 * floats(rng, 2, 4, d_model)
            made(x)
            randomize(made, rng)
            assert_close(float32(made(x), x.shape), feed_forward(made, x), atol=3 * ATOL)


# Task 6.3: attention in groups


def any_attention(rng, **change):
    """Draw sizes; several groups of several heads."""
    groups, group, half = (int(n) for n in rng.permutation(3)[:3] + 1)
    groups, group = max(groups, 2), max(group, 2)
    heads = groups * group
    sizes = {"num_heads": heads, "num_kv_heads": groups, "d_model": 2 * half * heads}
    return sizes | {"biases": bool(rng.integers(2)), **change}


@check("6.3", says="output, keys and values, for any sizes and groups", weight=3, hidden=True)
def test_attention_random(student, rng):
    for rotary in (False, True):
        settings = any_attention(rng, rotary=rotary)
        attention = layer(student, "GroupedAttention", **settings)
        length = int(rng.integers(5, 12))
        x = floats(rng, 3, length, settings["d_model"])
        attention(x)
        randomize(attention, rng)
        dim = settings["d_model"] // settings["num_heads"]
        kept = (3, settings["num_kv_heads"], length, dim)
        answer = student.build("do", attention, "read", x)
        got = assert_arrays(answer, output=x.shape, keys=kept, values=kept)
        for one, other in zip(got, attend(attention, x, settings), strict=True):
            # sums of some tens of numbers, of up to 30
            assert_close(one, other, atol=5 * ATOL)


@check("6.3", says="step agrees with the call, whatever the slots", weight=2, hidden=True)
def test_attention_random_steps(student, rng):
    settings = any_attention(rng, rotary=True)
    primer, slots = (int(n) for n in rng.integers(2, 5, 2))
    attention = layer(student, "GroupedAttention", **settings)
    x = floats(rng, 2, primer + slots + 2, settings["d_model"])
    attention(x)
    randomize(attention, rng)
    want, *parts = attend(attention, x, settings)
    kept = [part[:, :, :primer].astype("f4") for part in parts]
    got = continue_by_steps(student, attention, x, kept, slots, rng, one_layer=True)
    assert_close(got, want[:, primer:], atol=5 * ATOL)


@check("6.3", says="it works in half precision, with the mask's 1e9 too", hidden=True)
def test_attention_half(student, rng):
    settings = any_attention(rng, rotary=True)
    layer(student, "GroupedAttention", **settings)
    x = floats(rng, 2, 6, settings["d_model"]).astype("f2")
    answer = student.build("in_half_precision", "GroupedAttention", settings, x, "read")
    dim = settings["d_model"] // settings["num_heads"]
    kept = (2, settings["num_kv_heads"], 6, dim)
    for one in assert_arrays(answer, output=x.shape, keys=kept, values=kept):
        float16(one, one.shape)


# Task 6.4: two blocks


def any_block(rng, settings):
    """Draw a block's sizes."""
    group, half, ff_dim = (int(n) for n in rng.permutation(3) + 1)
    heads = 2 * group
    sizes = {"num_heads": heads, "num_kv_heads": 2, "d_model": 2 * half * heads}
    kinds = {name: settings[name] for name in ("norm", "positions", "network", "biases")}
    return sizes | {"ff_dim": ff_dim + 4} | kinds


@check("6.4", says="both sub-layers and step, for any sizes and kinds", weight=2, hidden=True)
def test_block_random(student, solution, rng):
    for kinds in (GPT2, LLAMA, GPT2 | {"norm": "rms"}):
        settings = any_block(rng, kinds)
        mine, theirs = pair(student, solution, rng, "Block", **settings)
        d_model, dim = settings["d_model"], settings["d_model"] // settings["num_heads"]
        x = 2 * floats(rng, 2, int(rng.integers(2, 7)), d_model)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=3 * ATOL)
        parts = [floats(rng, 2, 2, size, dim) for size in (3, 3, 2, 2)]
        got = student.build("do", mine, "step", x[:, :1], 1, *parts)
        names = {"output": (2, 1, d_model), "keys": parts[2].shape, "values": parts[3].shape}
        want = solution.build("do", theirs, "step", x[:, :1], 1, *parts)
        for one, other in zip(assert_arrays(got, **names), want, strict=True):
            assert_close(one, other, atol=3 * ATOL)


@check("6.4", says="dropout of each sub-layer's result, in training only", hidden=True)
def test_block_dropout(student, rng):
    sizes = {"d_model": 8, "num_heads": 2, "num_kv_heads": 2, "ff_dim": 12, "dropout": 0.5}
    block = layer(student, "Block", **sizes)
    x = floats(rng, 8, 8, 8)
    block(x)
    for silent in ("output_projection", "contract"):
        randomize(block, rng)
        silence(block, silent)  # what the block adds is the other one's alone
        found = assert_array(block(x), x.shape, "f") - x
        changed = assert_array(block(x, training=True), x.shape, "f") - x
        lost = np.abs(changed) < 1e-6
        same = np.abs(np.where(lost, 0, changed - 2 * found)) < 1e-4
        assert_holds(same.all(), "what is dropped is not a sub-layer's result")
        # 512 choices with probability 0.5: 0.14 is more than six deviations
        assert_holds(abs(lost.mean() - 0.5) < 0.14, "the wrong share is dropped")


# Task 6.5: two language models


@check("6.5", says="logits and steps, for any size and kind", weight=2, hidden=True)
def test_model_random(student, solution, rng):
    for kinds in (GPT2, LLAMA, GPT2 | {"positions": "rotary"}, LLAMA | {"positions": "learned"}):
        vocab_size, tied = int(rng.integers(9, 20)), bool(rng.integers(2))
        sizes = any_block(rng, kinds) | {"vocab_size": vocab_size, "num_layers": 2}
        settings = sizes | {"context_length": 12, "tied": tied}
        mine, theirs = pair(student, solution, rng, "LanguageModel", **settings)
        primer, slots = (int(n) for n in rng.integers(2, 5, 2))
        ids = rng.integers(0, vocab_size, (2, primer + slots + 1)).astype("i4")
        want = theirs(ids)
        assert_close(float32(mine(ids), want.shape), want, atol=3 * ATOL)
        kept = student.build("do", mine, "read", ids[:, :primer])
        shape = (2, 2, primer, settings["d_model"] // settings["num_heads"])
        kept = assert_arrays(kept, **{str(i): shape for i in range(4)})
        got = continue_by_steps(student, mine, ids, kept, slots, rng, one_layer=False)
        got = float32(got, want[:, primer:].shape)
        assert_close(got, want[:, primer:], atol=3 * ATOL)


@check("6.5", says="dropout of the embedding and in blocks, in training only", hidden=True)
def test_model_dropout(student, rng):
    sizes = {"vocab_size": 16, "d_model": 16, "num_layers": 1, "dropout": 0.5}
    made = network(student, **SIZES | LLAMA | sizes)
    ids = rng.integers(0, 16, (8, 8))
    randomize(made, rng)
    # blocks that add nothing, and logits that are what goes into the last layer
    silence(made, "contract", "output_projection")
    set_layers(made, {("norm", "scale"): np.ones(16, "f4")}, LAYER)
    set_layers(made, {("embedding", "reverse_embeddings"): np.eye(16, dtype="f4")}, LAYER)
    for training, share in ((False, 0.0), (True, 0.5)):
        hidden = assert_array(made(ids, training=training), (8, 8, 16), "f")
        zeros = (np.abs(hidden) < 1e-6).mean()
        # 1,024 choices with probability 0.5: 0.1 is six deviations
        assert_holds(abs(zeros - share) < 0.1, "the wrong share of the embedding is 0")
    # Keras says that it trains only to a model whose call asks; the weights stand still
    losses = student.build("losses_of_fit", made, ids, ids, 2)
    differ = type(losses) is list and len(losses) == 2 and losses[0] != losses[1]
    assert_holds(differ, "nothing is dropped when `fit` trains the model")


@check("6.5", says="in training the model learns one batch by heart", hidden=True)
def test_model_learns(student, solution, rng):
    sizes = {"vocab_size": 9, "d_model": 16, "num_layers": 1}
    for kinds in (GPT2, LLAMA):
        settings = SIZES | kinds | sizes
        mine, theirs = network(student, **settings), network(solution, **settings)
        targets = rng.integers(3, 9, (4, 6))
        ids = np.c_[rng.permutation(8)[:4] + 1, targets[:, :-1]]
        mine.train(ids, targets, steps=60, learning_rate=0.02)
        give_learned(mine, theirs, LAYER)
        logits = theirs(ids)
        # chance is ln 6 = 1.8
        assert_holds(nats_per_token(targets, logits) < 0.5, "one batch is not learned by heart")
        # trained logits are about 10: ten times the roundings above
        assert_close(float32(mine(ids), logits.shape), logits, atol=1e-4)
