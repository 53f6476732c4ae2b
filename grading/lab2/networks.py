"""What Lab 2's checks of layers and networks share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    as_text,
    assert_array,
    assert_close,
    assert_holds,
    assert_same_after,
    naming,
)
from grading.checks.networks import (
    assert_changed,
    assert_same_descent,
    assert_written_out,
    by_layer,
    floats,
    models_of,
    randomize_both,
    step_through,
)
from grading.sandbox.proxy import Code, Handle, model

# the builders' layers, and the layers that checks build: "attention", "block", and what is in them
LAYER = re.compile(
    r"(?:digit|word)_embedding|(forward|backward)_\w+|bridge|combine|logits"
    r"|(?:encoder|decoder|attention|block)(?:_\w+)?"
)
Networks = tuple[Handle, Handle, Handle]

# Layers


def layer(code: Code, kind: str, *args: Any, **kwargs: Any) -> Handle:
    """Construct a layer, named "attention" or "block"; demand that it is one."""
    if kind.endswith("Attention"):
        assert_own_attention(code, kind, *args)
    name = "block" if kind.endswith("Block") else "attention"
    return model(getattr(code, kind)(*args, **kwargs, name=name), "a layer")


def layers(
    student: Code,
    solution: Code,
    rng: np.random.Generator,
    inputs: tuple[np.ndarray, ...],
    kind: str,
    *sizes: Any,
) -> tuple[Handle, Handle]:
    """Construct both sides' layer and give them the same weights, large ones."""
    mine, theirs = (layer(code, kind, *sizes) for code in (student, solution))
    for one in (mine, theirs):
        one(*inputs)
    randomize_both(mine, theirs, LAYER, rng)
    return mine, theirs


def assert_own_attention(code: Code, kind: str, *sizes: Any) -> None:
    """Demand that an attention is written out."""
    x = np.zeros((1, 2, 4 if kind == "AdditiveAttention" else sizes[0]), "f4")
    assert_written_out(code, "attention", kind, [[x, x, np.ones((1, 2), bool)]], sizes)


def tokens(lengths: tuple[int, ...], width: int) -> np.ndarray:
    """Mark rows of so many tokens; the rest is padding."""
    return np.arange(width) < np.array(lengths)[:, None]


def arrays(answer: Any, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Demand a list of float arrays of these shapes."""
    if type(answer) not in (list, tuple) or len(answer) != len(shapes):
        raise CheckFailed("type", f"expected {len(shapes)} arrays, got {as_text(answer)}")
    return [assert_array(one, shape, "f") for one, shape in zip(answer, shapes, strict=True)]


def attended(answer: Any, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Demand what was looked up and attention's weights, which are float32."""
    looked_up, weights = arrays(answer, *shapes)
    if weights.dtype != "float32":
        raise CheckFailed("dtype", f"expected weights in float32, got {weights.dtype}")
    return [looked_up, weights]


def assert_zero_outside(
    weights: np.ndarray, allowed: np.ndarray, why: str = "is padding, where the mask is False"
) -> None:
    """Demand that attention's weights are 0, exactly, where nothing may be looked at, and why."""
    for *place, key in np.argwhere(np.where(allowed, 0, weights)):
        raise CheckFailed(
            "value",
            f"the weight at {[*map(int, place), int(key)]}, of query {place[-1]} for key {key}, "
            f"should be 0: the key {why}; got {weights[*place, key]:.3g}",
        )
    with naming("the sum of a query's weights"):
        assert_close(weights.sum(axis=-1), np.ones(weights.shape[:-1]))


def assert_gradient(
    student: Code, solution: Code, kind: str, sizes: tuple, inputs: tuple, rng: np.random.Generator
) -> None:
    """Demand the solution's gradient in every weight of a layer, in a step of Keras's training."""
    mine, theirs = layers(student, solution, rng, inputs, kind, *sizes)
    output = theirs(*inputs)
    target = floats(rng, *np.shape(output[0] if type(output) is list else output))
    assert_same_descent(student, solution, (mine, theirs), LAYER, target, *inputs)


# Weights by name, and what they make of a memory


def weights_named(network: Handle, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Give the weights whose names end so, "query/kernel"; demand each once, of its shape."""
    weights = {"/".join(key): value for key, value in by_layer(network, LAYER).items()}
    found = {}
    for name, shape in shapes.items():
        matching = [value for path, value in weights.items() if path.endswith(name)]
        one = len(matching) == 1
        assert_holds(one, f"expected one weight whose name ends with {name!r}: {sorted(weights)}")
        found[name] = assert_array(matching[0], shape, "f").astype("f8")
    return found


def project(layer: Handle, part: str, x: np.ndarray, num_heads: int) -> np.ndarray:
    """Map (batch, length, d_model) to (batch, length, heads, head_dim) by kernel and bias."""
    heads = (num_heads, x.shape[-1] // num_heads)
    shapes = {f"{part}/kernel": (x.shape[-1], *heads), f"{part}/bias": heads}
    kernel, bias = weights_named(layer, shapes).values()
    return np.einsum("btd,dhk->bthk", x, kernel) + bias


# The decoder's block, step by step


def memory_of(block: Handle, memory: np.ndarray, num_heads: int) -> list[np.ndarray]:
    """Project a memory to the keys and values that a decoder's block looks up."""
    parts = ("cross_attention_key", "cross_attention_value")
    return [project(block, part, memory, num_heads).astype("f4") for part in parts]


def step_all(
    code: Code,
    block: Handle,
    rng: np.random.Generator,
    x: np.ndarray,
    memory: np.ndarray,
    mask: np.ndarray,
    max_length: int,
    num_heads: int,
) -> np.ndarray:
    """Feed one position after another, from caches full of what must not be used."""
    keys_values = memory_of(block, memory, num_heads)
    shape = (len(x), max_length, *keys_values[0].shape[2:])
    caches, outputs = [floats(rng, *shape) for _ in range(2)], []
    for place in range(x.shape[1]):
        position = np.full((len(x), 1), place, "i4")
        given = (x[:, place : place + 1], position, *caches, *keys_values, mask)
        answer = code.build("do", block, "step", *given)
        output, *caches = arrays(answer, given[0].shape, shape, shape)
        outputs.append(output)
    code.tell("{0}.step, position by position", block)
    return np.concatenate(outputs, axis=1)


# Networks


def networks(code: Code, builder: str, *sizes: float) -> Networks:
    """Build a model, an encoder and a stepper; demand that these are models."""
    built = getattr(code, builder)(*sizes)
    whole, encoder, stepper = models_of(built, "model", "encoder", "stepper")
    return whole, encoder, stepper


def first_states(encoder: Handle, digits: np.ndarray) -> list[np.ndarray]:
    """Demand a list of states, each (batch, …)."""
    states = encoder(digits)
    if type(states) not in (list, tuple):
        raise CheckFailed("type", f"expected a list of states, got {as_text(states)}")
    for state in states:
        rows = assert_array(state).shape[:1]
        assert_holds(rows == (len(digits),), f"expected a state ({len(digits)}, …), got {rows}")
    return list(states)


def stepped(encoder: Handle, stepper: Handle, digits: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Encode, then feed word after word; the logits of every position."""
    return step_through(stepper, words, first_states(encoder, digits))


def same_networks(
    student: Code, solution: Code, rng: np.random.Generator, builder: str, *sizes: float
) -> tuple[Networks, Networks]:
    """Build both sides' networks and give them the same weights, large ones."""
    mine, theirs = networks(student, builder, *sizes), networks(solution, builder, *sizes)
    randomize_both(mine[0], theirs[0], LAYER, rng)
    return mine, theirs


def assert_models(parts: Networks, layers: set[str], digits: np.ndarray, vocab_size: int) -> None:
    """Demand the names of layers, the shapes of logits, and a stepper's states like the encoder's.

    Logits must come for one word and for five.
    """
    network, encoder, stepper = parts
    found = {key[0] for key in by_layer(network, LAYER)}
    assert_holds(found == layers, f"expected layers {sorted(layers)}, got {sorted(found)}")
    for length in (1, 5):
        words = np.ones((len(digits), length), "i4")
        assert_array(network(digits, words), (*words.shape, vocab_size), "f")
    states = first_states(encoder, digits)
    answer = stepper(words[:, :1], *states)
    if type(answer) not in (list, tuple) or len(answer) != 1 + len(states):
        raise CheckFailed("type", f"expected [logits, {len(states)} states], got {as_text(answer)}")
    assert_array(answer[0], (len(digits), vocab_size), "f")
    for new, old in zip(answer[1:], states, strict=True):
        got, want = (f"{one.dtype} {one.shape}" for one in (assert_array(new), old))
        assert_holds(got == want, f"a state was {want}, and comes back as {got}")


def assert_trains(parts: Networks, wanted: Handle, digits: np.ndarray, words: np.ndarray) -> None:
    """Demand that a step of training changes every weight, and the other two models' with it."""
    before = by_layer(parts[0], LAYER)
    parts[0].train([digits, words], np.roll(words, -1, axis=1), steps=1, learning_rate=0.01)
    after = by_layer(parts[0], LAYER)
    assert_changed(before, after, by_layer(wanted, LAYER))
    for other in parts[1:]:
        for key, value in by_layer(other, LAYER).items():
            with naming(f"{'/'.join(key)}, which the three models share"):
                assert_close(value, after.get(key, np.array(0.0)))


def assert_depends(network: Handle, digits: np.ndarray, words: np.ndarray, size: int) -> None:
    """Demand that logits depend on the row's digits, this and earlier words, and on nothing else.

    Digits must have padding in the first row. The same sums in another order differ by some tens
    of float32 roundings of logits near 1; what weights of 0.5 bring about is far above 1e-3.
    """

    def logits(digits: np.ndarray, words: np.ndarray) -> np.ndarray:
        return assert_array(network(digits, words), (*words.shape, size), "f")

    place, before = words.shape[1] // 2, logits(digits, words)
    other = words.copy()
    other[0, place] = other[0, place] % (size - 1) + 1
    after = logits(digits, other)
    change = f"another word at [0, {place}]"
    earlier = f"{change}, for logits before it,"
    assert_same_after(earlier, after[:, :place], before[:, :place], atol=1e-5)
    assert_same_after(f"{change}, for the other rows,", after[1:], before[1:], atol=1e-5)
    moved = np.abs(after - before).max(axis=2)[0] > 1e-3
    assert_holds(moved[place], "the logits at a position should depend on the word there")
    assert_holds(moved[-1], "the logits at a position should depend on earlier words")
    narrow = digits[:1, : np.count_nonzero(digits[0])]
    alone = logits(narrow, words[:1])  # no padding, no other rows
    change = "leaving out the first row's padding and the other rows"
    assert_same_after(change, alone, before[:1], atol=1e-5)
    other = digits.copy()
    other[0, 0] = other[0, 0] % 10 + 1
    moved = np.abs(logits(other, words) - before).max(axis=(1, 2)) > 1e-3
    assert_holds(moved[0], "the logits should depend on the digits")
