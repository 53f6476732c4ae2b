"""Tasks 6.1 to 6.5: rotary positions, networks, attention, block and model."""

from typing import Any

import numpy as np

from grading.checks.assertions import (
    assert_array,
    assert_arrays,
    assert_close,
    assert_each,
    assert_holds,
    assert_parts,
    assert_raises,
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
from grading.lab6.networks import (
    ATOL,
    LAYER,
    MODELS,
    assert_gradient,
    continue_by_steps,
    float16,
    layer,
    network,
    pair,
)

PARTS = ("output", "keys", "values")

# Task 6.1: rotary positions


@check("6.1", says="the same shape and dtype; position 0 is not turned")
def test_rotate_contract(student, rng):
    for shape in ((2, 5, 3, 4), (1, 1, 1, 2)):
        x = floats(rng, *shape)
        assert_close(float32(student.rotate(x), shape)[:, 0], x[:, 0])
        half = float16(student.rotate(x.astype("f2"), 3), shape)
        # float16 rounds numbers of up to 4 at 2e-3
        assert_close(half.astype("f4"), float32(student.rotate(x, 3), shape), atol=4e-3)


@check("6.1", says="pair i, of features i and i + head_dim / 2, is turned by p θ_i", weight=3)
def test_rotate_values(student, solution, rng):
    x = np.array([[1, 2, 3, 4]], "f4").reshape(1, 1, 1, 4)
    with naming("(1, 2, 3, 4) at position 1"):
        assert_close(student.rotate(x, 1), np.array([[[[-1.984111, 1.9599, 2.462378, 4.0198]]]]))
    for shape in ((2, 6, 3, 4), (1, 9, 1, 10)):
        x = floats(rng, *shape)
        assert_close(float32(student.rotate(x), shape), solution.rotate(x), atol=ATOL)


@check("6.1", says="x[:, t] is at position offset + t, the offset a number or a tensor", weight=2)
def test_rotate_offset(student, solution, rng):
    x = floats(rng, 2, 7, 2, 6)
    whole = solution.rotate(x)
    for first in (2, 6):
        for offset in (first, np.array(first, "i4")):
            assert_close(student.rotate(x[:, first:], offset), whole[:, first:], atol=ATOL)
    turned = student.build("rotate_in_graph", x[:, 2:], 2)  # as while a model generates
    assert_close(turned, whole[:, 2:], atol=ATOL)


@check("6.1", says="a query's product with a key depends on their distance only", weight=2)
def test_rotate_distance(student, rng):
    query, key = floats(rng, 1, 1, 1, 8), floats(rng, 1, 1, 1, 8)

    def product(at, distance):
        pairs = ((query, at), (key, at - distance))
        one, other = (float32(student.rotate(x, place), x.shape) for x, place in pairs)
        return np.sum(one * other, keepdims=True)

    for distance in (0, 3):
        near, far = product(3, distance), product(40, distance)
        # at 40 an angle is rounded by 4e-6
        assert_close(far, near, atol=1e-4, said=("at position 3 the product is", "at position 40"))
    moved = abs(product(3, 0) - product(3, 3)).max() > 1e-3
    assert_holds(moved, "the product is the same at every distance")


# Task 6.2: two networks

NETWORKS = [
    {"d_model": 6, "ff_dim": 9, "network": kind, "biases": biases}
    for kind, biases in (("gelu", True), ("swiglu", False), ("gelu", False), ("swiglu", True))
]


@check("6.2", says="shapes and weights as stated")
def test_network_contract(student, solution, rng):
    for settings in NETWORKS:
        mine, theirs = pair(student, solution, rng, "FeedForward", **settings)
        for length in (1, 4):
            float32(mine(floats(rng, 2, length, 6)), (2, length, 6))
        assert_holds(
            by_layer(mine, LAYER).keys() == by_layer(theirs, LAYER).keys(), "other weights"
        )


@check("6.2", says="contract(gelu(expand(x))), gelu by its tanh formula", weight=2)
def test_network_gelu(student, solution, rng):
    for settings in NETWORKS[::2]:
        mine, theirs = pair(student, solution, rng, "FeedForward", **settings)
        x = 2 * floats(rng, 3, 5, 6)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("6.2", says="contract(silu(gate(x)) ⊙ expand(x))", weight=3)
def test_network_swiglu(student, solution, rng):
    for settings in NETWORKS[1::2]:
        mine, theirs = pair(student, solution, rng, "FeedForward", **settings)
        x = 2 * floats(rng, 3, 5, 6)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("6.2", says="every weight gets its gradient")
def test_network_gradient(student, solution, rng):
    for settings in (NETWORKS[0], NETWORKS[3]):
        assert_gradient(student, solution, "FeedForward", settings, floats(rng, 2, 3, 6), rng)


# Task 6.3: attention in groups

WHOLE = {"d_model": 8, "num_heads": 4, "num_kv_heads": 4}
GROUPS = {"d_model": 12, "num_heads": 6, "num_kv_heads": 2, "biases": False}
ROTARY = {"d_model": 16, "num_heads": 4, "num_kv_heads": 2, "rotary": True}


@check("6.3", says="shapes and weights as stated")
def test_attention_contract(student, rng):
    for settings in (WHOLE, GROUPS, ROTARY):
        attention = layer(student, "GroupedAttention", **settings)
        d_model = settings["d_model"]
        kv, dim = settings["num_kv_heads"], d_model // settings["num_heads"]
        x, kept = floats(rng, 2, 3, d_model), (2, kv, 3, dim)
        float32(attention(x), x.shape)
        answer = student.build("do", attention, "read", x)
        assert_arrays(answer, output=x.shape, keys=kept, values=kept)
        new = np.zeros((2, kv, 2, dim), "f4")
        answer = student.build("do", attention, "step", x[:, :1], 0, new, new, new, new)
        assert_arrays(answer, output=(2, 1, d_model), new_keys=new.shape, new_values=new.shape)
        shapes = {key[-2:]: value.shape for key, value in by_layer(attention, LAYER).items()}
        kernel = shapes.get(("attention_key", "kernel"))
        same = kernel == (d_model, kv * dim)
        assert_holds(same, f"the key kernel should be {(d_model, kv * dim)}, not {kernel}")
    assert_raises(ValueError, student.GroupedAttention, 8, 3, 3)
    assert_raises(ValueError, student.GroupedAttention, 8, 4, 3)


@check("6.3", says="softmax(Q Kᵀ / √head_dim) V for each head, through the output kernel", weight=2)
def test_attention_values(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "GroupedAttention", **WHOLE)
    for length in (1, 6):
        x = floats(rng, 3, length, 8)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("6.3", says="query head h looks at key and value head h // (heads / groups)", weight=2)
def test_attention_groups(student, solution, rng):
    for settings in (GROUPS, GROUPS | {"num_kv_heads": 1}, GROUPS | {"num_kv_heads": 3}):
        mine, theirs = pair(student, solution, rng, "GroupedAttention", **settings)
        x = floats(rng, 2, 5, 12)
        assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("6.3", says="with `rotary` queries and keys are turned, otherwise not", weight=2)
def test_attention_rotary(student, solution, rng):
    mine, theirs = pair(student, solution, rng, "GroupedAttention", **ROTARY)
    x = floats(rng, 2, 6, 16)
    assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)
    got = student.build("do", mine, "read", x)
    got = assert_arrays(got, output=x.shape, keys=(2, 2, 6, 4), values=(2, 2, 6, 4))
    assert_each(PARTS, got, solution.build("do", theirs, "read", x), atol=ATOL)


@check("6.3", says="later positions do not matter, every earlier one does")
def test_attention_causal(student, rng):
    attention = layer(student, "GroupedAttention", **GROUPS)
    x = floats(rng, 1, 7, 12)
    attention(x)
    randomize(attention, rng)
    before = float32(attention(x), x.shape)
    other = x.copy()
    other[:, 3] += 1
    # random weights of 0.5: what matters changes far more than 1e-3
    moved = np.abs(float32(attention(other), x.shape) - before).max(axis=(0, 2)) > 1e-3
    assert_holds(not moved[:3].any(), "a position's output depends on a later one")
    assert_holds(moved[3:].all(), "a position's output should depend on itself and all before it")


@check("6.3", says="step gives for each position what call gives", weight=3)
def test_attention_steps(student, rng):
    for settings, primer, slots in ((WHOLE, 1, 4), (GROUPS, 5, 2), (ROTARY, 3, 2)):
        attention = layer(student, "GroupedAttention", **settings)
        kv, dim = settings["num_kv_heads"], settings["d_model"] // settings["num_heads"]
        x, kept = floats(rng, 2, 8, settings["d_model"]), (2, kv, primer, dim)
        attention(x)
        randomize(attention, rng)
        want = float32(attention(x), x.shape)[:, primer:]
        answer = student.build("do", attention, "read", x[:, :primer])
        _, *parts = assert_arrays(answer, output=x[:, :primer].shape, keys=kept, values=kept)
        got = continue_by_steps(student, attention, x, parts, slots, rng, one_layer=True)
        with after_reading(primer, slots):
            assert_same_in_steps(got, want, atol=ATOL, first=primer)


def after_reading(primer, slots):
    """Say what a step follows."""
    return naming(f"{primer} positions read, then steps with {slots} slots at a time")


@check("6.3", says="every weight gets its gradient")
def test_attention_gradient(student, solution, rng):
    for settings in (WHOLE, ROTARY):
        x = floats(rng, 2, 5, settings["d_model"])
        assert_gradient(student, solution, "GroupedAttention", settings, x, rng)


# Task 6.4: two blocks

GPT2_BLOCK: dict[str, Any] = {"d_model": 8, "num_heads": 2, "num_kv_heads": 2, "ff_dim": 12}
LLAMA_BLOCK = GPT2_BLOCK | {
    "num_kv_heads": 1,
    "norm": "rms",
    "positions": "rotary",
    "network": "swiglu",
    "biases": False,
}
BLOCKS = {"GPT-2's block": GPT2_BLOCK, "LLaMA's block": LLAMA_BLOCK}


@check("6.4", says="two sub-layers, each normalised first and added", weight=3)
def test_block_values(student, solution, rng):
    for name, settings in BLOCKS.items():
        mine, theirs = pair(student, solution, rng, "Block", **settings)
        for length in (1, 7):
            x = floats(rng, 3, length, 8)
            with naming(name):
                assert_close(float32(mine(x), x.shape), theirs(x), atol=ATOL)


@check("6.4", says="read returns keys and values")
def test_block_read(student, solution, rng):
    for name, settings in BLOCKS.items():
        mine, theirs = pair(student, solution, rng, "Block", **settings)
        x, kept = floats(rng, 2, 6, 8), (2, settings["num_kv_heads"], 6, 4)
        got = student.build("do", mine, "read", x)
        got = assert_arrays(got, output=x.shape, keys=kept, values=kept)
        with naming(name):
            assert_each(PARTS, got, solution.build("do", theirs, "read", x), atol=ATOL)


@check("6.4", says="step gives for each position what call gives", weight=2)
def test_block_steps(student, rng):
    for settings in BLOCKS.values():
        block = layer(student, "Block", **settings, dropout=0.5)
        x, kept = floats(rng, 2, 7, 8), (2, settings["num_kv_heads"], 2, 4)
        block(x)
        randomize(block, rng)
        want = float32(block(x), x.shape)[:, 2:]
        answer = student.build("do", block, "read", x[:, :2])
        _, *parts = assert_arrays(answer, output=(2, 2, 8), keys=kept, values=kept)
        got = continue_by_steps(student, block, x, parts, 3, rng, one_layer=True)
        with after_reading(2, 3):
            assert_same_in_steps(got, want, atol=ATOL, first=2)


@check("6.4", says="every weight gets its gradient")
def test_block_gradient(student, solution, rng):
    for settings in BLOCKS.values():
        assert_gradient(student, solution, "Block", settings, floats(rng, 2, 5, 8), rng)


# Task 6.5: two language models


@check("6.5", says="float32 logits; weights as stated; ValueError beyond context_length")
def test_model_contract(student, rng):
    for settings in MODELS.values():
        made = network(student, **settings)
        for batch, length in ((1, 1), (3, 12)):
            ids = rng.integers(0, 13, (batch, length))
            float32(made(ids), (batch, length, 13))
        found = {key[0] for key in by_layer(made, LAYER)}
        wanted = {"embedding", "block_0", "block_1", "norm"}
        wanted |= {"positions"} if settings["positions"] == "learned" else set()
        assert_holds(found == wanted, f"expected layers {sorted(wanted)}, got {sorted(found)}")
        assert_raises(ValueError, made, rng.integers(0, 13, (1, 13)))
        parts = [np.zeros((1, settings["num_kv_heads"], 7, 2), "f4")] * 4
        one = np.ones((1, 1), "i4")
        assert_raises(ValueError, student.build, "do", made, "step", one, 0, parts, parts)


@check("6.5", says="GPT-2: embedding + positions, blocks, norm, the embedding in reverse", weight=3)
def test_model_gpt2(student, solution, rng):
    assert_logits(student, solution, rng, MODELS["GPT-2"])


@check("6.5", says="LLaMA: embedding, blocks, norm, an output of its own", weight=2)
def test_model_llama(student, solution, rng):
    assert_logits(student, solution, rng, MODELS["LLaMA"])


def assert_logits(student, solution, rng, settings):
    """Demand the solution's logits."""
    mine, theirs = pair(student, solution, rng, "LanguageModel", **settings)
    for shape in ((3, 8), (1, 1)):
        ids = rng.integers(0, 13, shape)  # 0, padding, is an id like any other
        assert_close(float32(mine(ids), (*shape, 13)), theirs(ids), atol=ATOL)


@check("6.5", says="logits depend on that id and all earlier ones, and on no later one")
def test_model_causal(student, rng):
    for settings in MODELS.values():
        made = network(student, **settings)
        randomize(made, rng)
        ids = rng.integers(0, 13, (2, 9))
        logits = float32(made(ids), (2, 9, 13))
        other = ids.copy()
        other[:, 4] = (ids[:, 4] + 1) % 13
        # random weights of 0.5: what matters changes far more than 1e-3
        moved = np.abs(float32(made(other), logits.shape) - logits).max(axis=(0, 2)) > 1e-3
        assert_holds(not moved[:4].any(), "the logits at a position depend on a later id")
        assert_holds(moved[4:].all(), "the logits should depend on all ids up to there")


@check("6.5", says="read and step give the call's logits, position by position", weight=3)
def test_model_steps(student, rng):
    for settings in MODELS.values():
        made = network(student, **settings, dropout=0.5)
        randomize(made, rng)
        ids = rng.integers(0, 13, (2, 9)).astype("i4")
        want = float32(made(ids), (2, 9, 13))
        for primer, slots in ((1, 4), (4, 2)):
            kept = assert_parts(student.build("do", made, "read", ids[:, :primer]), *"1234")
            shape = (2, settings["num_kv_heads"], primer, 2)
            kept = [assert_array(part, shape, "f") for part in kept]
            got = continue_by_steps(student, made, ids, kept, slots, rng, one_layer=False)
            with naming("the logits of all steps, stacked on axis 1"):
                got = float32(got, (2, 9 - primer, 13))
            with after_reading(primer, slots):
                assert_same_in_steps(got, want[:, primer:], atol=ATOL, first=primer)


@check("6.5", says="untrained, the loss is near ln V; training changes every weight")
def test_model_training(student, solution, rng):
    for settings in MODELS.values():
        made, wanted = network(student, **settings), network(solution, **settings)
        ids = rng.integers(1, 13, (8, 12))
        # the output's numbers are of about 0.3 at most, a normed vector has length √8
        logits = float32(made(ids), (8, 12, 13))
        assert_untrained(logits, atol=0.6 if settings["tied"] is False else 0.15)
        before = by_layer(made, LAYER)
        made.train(ids, rng.integers(1, 13, ids.shape), steps=1, learning_rate=0.01)
        assert_changed(before, by_layer(made, LAYER), by_layer(wanted, LAYER))
