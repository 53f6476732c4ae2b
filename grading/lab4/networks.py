"""What Lab 4's checks of layers and the model share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    assert_array,
    assert_dtype,
    assert_holds,
    assert_parts,
)
from grading.checks.networks import (
    assert_same_descent,
    assert_written_out,
    floats,
    randomize,
    randomize_both,
    silence,
)
from grading.sandbox.proxy import Code, Handle, model

# the model's layers, those that checks build, "attention" and "block", and what is in them
LAYER = re.compile(r"embedding|norm|(?:attention|block)(?:_\w+)?")
MODEL_ARGUMENTS = (
    *("vocab_size", "d_model", "num_heads", "ff_dim", "num_layers", "max_distance", "window"),
    *("dropout", "tied"),
)


def layer(code: Code, kind: str, *sizes: float) -> Handle:
    """Construct a layer, named "attention", "block" or "norm"; demand that it is one."""
    assert_own_layer(code, kind, *sizes)
    names = {"RelativeAttention": "attention", "TransformerBlock": "block", "RMSNorm": "norm"}
    return model(getattr(code, kind)(*sizes, name=names[kind]), "a layer")


def assert_own_layer(code: Code, kind: str, *sizes: float) -> None:
    """Demand that attention and norm are written out."""
    if kind == "RelativeAttention":
        x = np.zeros((1, 2, int(sizes[0])), "f4")
        assert_written_out(code, "attention", kind, [x], sizes)
    elif kind == "RMSNorm":
        assert_written_out(code, "norm", kind, [np.zeros((1, 2), "f4")])


def network(code: Code, *sizes: float) -> Handle:
    """Construct a `MusicTransformer`; its weights come with its first call."""
    sizes_by_name = dict(zip(MODEL_ARGUMENTS, sizes, strict=False))
    made = model(code.MusicTransformer(**sizes_by_name))
    made(np.ones((1, 2), "i4"))
    return made


def pair(
    student: Code, solution: Code, rng: np.random.Generator, kind: str, *sizes: float
) -> tuple[Handle, Handle]:
    """Construct both sides' layer or model and give them the same weights, large ones."""
    if kind == "MusicTransformer":
        mine, theirs = network(student, *sizes), network(solution, *sizes)
    else:
        mine, theirs = layer(student, kind, *sizes), layer(solution, kind, *sizes)
        nothing = np.zeros((1, 2, int(sizes[0]) if sizes else 8), "f4")
        mine(nothing)
        theirs(nothing)
    randomize_both(mine, theirs, LAYER, rng)
    return mine, theirs


def float16(value: Any, shape: tuple) -> np.ndarray:
    """Demand an array of float16 in which everything is finite."""
    array = assert_dtype(value, shape, "float16")
    if not np.isfinite(array).all():
        raise CheckFailed("finite", "NaN or infinity came back")
    return array


def seen_by(target: int, source: int) -> np.ndarray:
    """Tell which keys are not after which query, (target, source); the queries are the last."""
    return np.tri(target, source, source - target, dtype=bool)


def assert_gradient(
    student: Code, solution: Code, kind: str, sizes: tuple, x: np.ndarray, rng: np.random.Generator
) -> None:
    """Demand the solution's gradient in every weight of a layer, in a step of Keras's training."""
    layers = pair(student, solution, rng, kind, *sizes)
    assert_same_descent(student, solution, layers, LAYER, floats(rng, *x.shape), x)


def dropped(block: Handle, x: np.ndarray, silent: str, rng: np.random.Generator) -> float:
    """Give the share of one sub-layer's result that is dropped; demand that the rest doubled.

    The other one's is silenced, so that what a block adds to x is this one's alone.
    """
    randomize(block, rng)
    silence(block, silent)
    found = assert_array(block(x), x.shape, "f") - x
    changed = assert_array(block(x, training=True), x.shape, "f") - x
    lost = np.abs(changed) < 1e-6
    # differences of numbers of up to 10: a few of their roundings
    same = np.abs(np.where(lost, 0, changed - 2 * found)) < 1e-4
    assert_holds(same.all(), "what is dropped is not a sub-layer's result")
    return float(lost.mean())


def continue_by_steps(
    code: Code,
    layer: Handle,
    inputs: np.ndarray,
    kept: list[np.ndarray],
    primer: int,
    slots: int,
    window: int,
    rng: np.random.Generator,
    one_layer: bool,
) -> np.ndarray:
    """Step through positions from `primer` on, the new part moved into the old when it is full.

    Parameters
    ----------
    inputs
        x (batch, length, d_model) of a layer, or ids (batch, length).
    kept
        Keys and values of the first `primer` positions.
    one_layer
        Whether `step` takes the cache's four parts, or lists of the model's.
    """
    old = [part[:, :, max(primer - window + 1, 0) :] for part in kept]
    outputs = []
    for begin in range(primer, inputs.shape[1], slots):
        # full of what must not be used
        new = [floats(rng, *part.shape[:2], slots, part.shape[3]) for part in old]
        for slot in range(min(slots, inputs.shape[1] - begin)):
            x = inputs[:, begin + slot : begin + slot + 1]
            cache = [*old, *new] if one_layer else [old, new]
            if begin + slot == inputs.shape[1] - 1:  # only the cache may say what came before
                other = [part[:, :, ::-1] for part in old], [part[::-1] for part in new]
                given = [*other[0], *other[1]] if one_layer else other
                code.build("do", layer, "step", x, slot, *given)
            answer = code.build("do", layer, "step", x, slot, *cache)
            if one_layer:
                output, *written = assert_parts(answer, "output", "new_keys", "new_values")
            else:
                output, written = assert_parts(answer, "logits", "new")
                written = assert_parts(written, *(f"part {i}" for i in range(len(new))))
            new = [
                assert_array(got, part.shape, "f") for got, part in zip(written, new, strict=True)
            ]
            outputs.append(assert_array(output, kind="f"))
            same = outputs[0].shape == outputs[-1].shape
            assert_holds(same, f"a step gave {outputs[-1].shape}, the first {outputs[0].shape}")
        both = [np.concatenate(parts, axis=2) for parts in zip(old, new, strict=True)]
        old = [part[:, :, max(part.shape[2] - window + 1, 0) :] for part in both]
    return np.concatenate([o if one_layer else o[:, None] for o in outputs], axis=1)
