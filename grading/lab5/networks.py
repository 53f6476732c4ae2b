"""What Lab 5's checks of layers and models share; NumPy only."""

import re
from typing import Any

import numpy as np

from grading.checks.assertions import assert_parts
from grading.checks.networks import assert_written_out, floats, randomize_both
from grading.sandbox.proxy import Code, Handle, model

# the models and their layers, and those that checks build
LAYER = re.compile(
    r"(transformer_xl|compound_transformer)(?:_\d+)?|(?:embedding|heads|block)(?:_\w+)?|norm|output"
)
# more than its roundings on numbers of 1 to 10, less than what any weight of 0.5 changes
ATOL = 1e-5

FIELD_SIZES = (5, 6, 4, 3, 7, 5, 4)
WIDTHS = (4, 3, 2, 2, 5, 3, 3)
XL = (13, 8, 2, 12, 2, 4)  # vocab_size, d_model, num_heads, ff_dim, num_layers, memory_length
COMPOUND = (FIELD_SIZES, WIDTHS, 8, 2, 12, 2)


def rows(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw rows of seven ids."""
    return np.stack([rng.integers(0, size, shape) for size in FIELD_SIZES], axis=-1).astype("i4")


def first_inputs(kind: str, sizes: tuple) -> list[np.ndarray]:
    """What a layer or model is called with for the first time."""
    if kind == "XLLayer":
        d_model, heads = int(sizes[0]), int(sizes[1])
        return layer_inputs(np.zeros((2, 3, d_model), "f4"), 1, heads)
    if kind == "TransformerXL":
        return [np.ones((1, 2), "i4")]
    if kind == "CompoundHeads":
        return [np.zeros((1, 2, sizes[2]), "f4"), np.zeros((1, 2, sizes[1]), "f4")]
    words = [np.zeros((1, 2, 7), "i4")]
    return words if kind == "CompoundEmbedding" else [*words, np.zeros((1, 2), "i4")]


def layer_inputs(line: np.ndarray, memory: int, heads: int) -> list[np.ndarray]:
    """Cut a line (batch, M + T, d) into x and memory; all is known, and u and v are 0."""
    known = np.ones((len(line), memory), bool)
    return [
        line[:, memory:],
        line[:, :memory],
        known,
        np.zeros((2, heads, line.shape[-1] // heads), "f4"),
    ]


def drawn_inputs(
    rng: np.random.Generator, batch: int, memory: int, length: int, d_model: int, heads: int
) -> list[np.ndarray]:
    """Draw x, memory, what of it is known, u and v."""
    x, *others = layer_inputs(floats(rng, batch, memory + length, d_model), memory, heads)
    return [x, *others[:2], floats(rng, 2, heads, d_model // heads)]


def made(code: Code, kind: str, *sizes: Any, **settings: Any) -> Handle:
    """Construct a layer or a model and call it once, so that it has its weights."""
    first = first_inputs(kind, sizes)
    if kind == "XLLayer":
        assert_written_out(code, "attention", kind, first, sizes)
        settings["name"] = "block"
    elif kind in ("CompoundEmbedding", "CompoundHeads"):
        settings["name"] = "embedding" if kind == "CompoundEmbedding" else "heads"
    handle = model(getattr(code, kind)(*sizes, **settings), "a layer")
    code.build("do", handle, "__call__", *first)
    return handle


def pair(
    student: Code,
    solution: Code,
    rng: np.random.Generator,
    kind: str,
    *sizes: Any,
    **settings: Any,
) -> tuple[Handle, Handle]:
    """Construct both sides' layer or model and give them the same weights, large ones."""
    both = made(student, kind, *sizes, **settings), made(solution, kind, *sizes, **settings)
    randomize_both(*both, LAYER, rng)
    return both


def call(code: Code, handle: Handle, *inputs: Any) -> Any:
    """Call a layer or a model with tensors."""
    return code.build("do", handle, "__call__", *inputs)


def seven(answer: Any) -> list:
    """Demand logits of seven fields."""
    return assert_parts(answer, *(f"field {i}" for i in range(7)))


def seen_by(target: int, source: int) -> np.ndarray:
    """Tell which keys are not after which query, (target, source); the queries are the last."""
    return np.tri(target, source, source - target, dtype=bool)
