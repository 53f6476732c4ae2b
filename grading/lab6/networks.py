"""What Lab 6's checks of layers and the model share; NumPy only."""

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
    randomize_both,
)
from grading.sandbox.proxy import Code, Handle, model

ATOL = 1e-5  # some tens of float32 roundings, on numbers of about 1 to 10

# the model's layers, those that checks build, "attention", "network" and "block", and their parts
LAYER = re.compile(r"embedding|positions|norm|(?:attention|network|block)(?:_\w+)?")
NAMES = {"GroupedAttention": "attention", "FeedForward": "network", "Block": "block"}
GPT2: dict[str, Any] = {
    "norm": "layer",
    "positions": "learned",
    "network": "gelu",
    "biases": True,
    "tied": True,
}
LLAMA: dict[str, Any] = {
    "norm": "rms",
    "positions": "rotary",
    "network": "swiglu",
    "biases": False,
    "tied": False,
}
SIZES: dict[str, Any] = {
    "vocab_size": 13,
    "d_model": 8,
    "num_heads": 4,
    "num_kv_heads": 4,
    "ff_dim": 12,
    "num_layers": 2,
    "context_length": 12,
}
MODELS = {"GPT-2": SIZES | GPT2, "LLaMA": SIZES | LLAMA | {"num_kv_heads": 2}}


def layer(code: Code, kind: str, **settings: Any) -> Handle:
    """Construct a layer under the name that its weights are known by; demand that it is one."""
    if kind == "GroupedAttention":
        x = np.zeros((1, 2, settings["d_model"]), "f4")
        assert_written_out(code, "attention", kind, [x], (), **settings)
    return model(getattr(code, kind)(**settings, name=NAMES[kind]), "a layer")


def network(code: Code, **settings: Any) -> Handle:
    """Construct a `LanguageModel`; its weights come with its first call."""
    made = model(code.LanguageModel(**settings))
    made(np.ones((1, 2), "i4"))
    return made


def pair(
    student: Code, solution: Code, rng: np.random.Generator, kind: str, **settings: Any
) -> tuple[Handle, Handle]:
    """Construct both sides' layer or model and give them the same weights, large ones."""
    if kind == "LanguageModel":
        mine, theirs = network(student, **settings), network(solution, **settings)
    else:
        mine, theirs = layer(student, kind, **settings), layer(solution, kind, **settings)
        nothing = np.zeros((1, 2, settings["d_model"]), "f4")
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


def assert_gradient(
    student: Code,
    solution: Code,
    kind: str,
    settings: dict[str, Any],
    x: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Demand the solution's gradient in every weight of a layer, in a step of Keras's training."""
    layers = pair(student, solution, rng, kind, **settings)
    assert_same_descent(student, solution, layers, LAYER, floats(rng, *x.shape), x)


def continue_by_steps(
    code: Code,
    layer: Handle,
    inputs: np.ndarray,
    kept: list[np.ndarray],
    slots: int,
    rng: np.random.Generator,
    one_layer: bool,
) -> np.ndarray:
    """Read what `inputs` has after its first positions step by step; the outputs, on axis 1.

    Parameters
    ----------
    kept
        Keys and values of the first positions.
    one_layer
        Whether `step` takes the cache's four parts, or lists of the model's.
    """
    old, outputs = kept, []
    primer = kept[0].shape[2]
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
            answer = code.build("do", layer, "step", x, np.array(slot, "i4"), *cache)
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
        old = [np.concatenate(parts, axis=2) for parts in zip(old, new, strict=True)]
    return np.concatenate([o if one_layer else o[:, None] for o in outputs], axis=1)
