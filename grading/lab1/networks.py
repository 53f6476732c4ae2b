"""What Lab 1's checks of cells, of the Transformer and of generation share; NumPy only."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    as_text,
    assert_array,
    assert_arrays,
    assert_each,
    assert_equal,
    assert_holds,
    assert_parts,
    naming,
)
from grading.checks.networks import assert_written_out, randomize_both, two_models
from grading.sandbox.proxy import Code, Handle, model

SPECIALS = ["PAD", "START", "END"]
PAD, START, END = range(3)
ARCHITECTURES = ("rnn", "lstm", "gru", "transformer")
OUTER = r"embedding|cell_\d+|widen|positions|block_\d+|norm|logits"
LAYER = re.compile(rf"{OUTER}|norm_[12]|query|key|value|output|expand|contract")
STATES = ("h'", "c'")  # of a cell
BLOCK = ("outputs", "keys", "values")  # what comes back from one


# Layers


def layer(code: Code, kind: str, dim: int, **settings: Any) -> Handle:
    """Make one of the submission's layers with weights for inputs of `dim` features."""
    x = np.zeros((1, 2, dim), "f4")
    if kind == "TransformerBlock":
        name = "block_0"
        assert_written_out(code, "attention", kind, [x], **settings)
    else:
        name = "cell_0"
        states = [np.zeros((1, settings["units"]), "f4")] * (2 if kind == "LSTMCell" else 1)
        assert_written_out(code, "cell", kind, [x[:, 0], states], **settings)
    made = model(getattr(code, kind)(name=name, **settings), "a Keras layer")
    code.build("build_layer", made, dim)
    return made


def cells(
    student: Code, solution: Code, kind: str, rng: np.random.Generator, dim: int, **settings: Any
) -> tuple[Handle, Handle]:
    """Make the submission's cell and Keras's own with the same random weights."""
    own = layer(student, kind, dim, **settings)
    keras_kind = kind.replace("RNN", "SimpleRNN")
    reference = model(solution.build("keras_cell", keras_kind, **settings))
    solution.build("build_layer", reference, dim)
    randomize_both(own, reference, LAYER, rng)
    return own, reference


def blocks(
    student: Code, solution: Code, rng: np.random.Generator, dim: int, num_heads: int
) -> tuple[Handle, Handle]:
    """Make the submission's block and the solution's with the same random weights."""
    settings = {"num_heads": num_heads, "dropout": 0.3}
    own = layer(student, "TransformerBlock", dim, **settings)
    same = layer(solution, "TransformerBlock", dim, **settings)
    randomize_both(own, same, LAYER, rng)
    return own, same


def stepped(
    code: Code, cell: Handle, inputs: np.ndarray, states: list[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Take a step; demand an output and as many states as there were, all of their shape."""
    answer = code.build("take_step", cell, inputs, states)
    output, new_states = assert_parts(answer, "output", "states")
    if not isinstance(new_states, (list, tuple)):
        raise CheckFailed(
            "type", f"states: expected a list of {len(states)}, got {as_text(new_states)}"
        )
    shape = states[0].shape
    with naming("output"):
        output = assert_array(output, shape, "f")
    return output, assert_arrays(new_states, **dict.fromkeys(STATES[: len(states)], shape))


def same_steps(
    student: Code, solution: Code, own: Handle, reference: Handle, arguments: tuple
) -> None:
    """Demand the output and states of Keras's cell from the same inputs and states."""
    output, states = stepped(student, own, *arguments)
    want, wanted = stepped(solution, reference, *arguments)
    names = ("output", *STATES[: len(states)])
    # sums of some ten products in another order: some tens of float32 roundings of 6e-8
    assert_each(names, (output, *states), (want, *wanted), atol=1e-5)


def three(answer: Any, batch: int, length: int, kept: int, dim: int) -> list[np.ndarray]:
    """Demand a block's outputs, keys and values."""
    shapes = ((batch, size, dim) for size in (length, kept, kept))
    return assert_arrays(answer, **dict(zip(BLOCK, shapes, strict=True)))


def attending(student: Code) -> Callable[..., Any]:
    """The submission's `causal_attention`, if it is written out."""
    heads = [np.zeros((1, 1, 2, 2), "f4")] * 3
    for positions in ([], [np.zeros((1, 2), "i4")]):
        assert_written_out(student, "attention", "causal_attention", [*heads, *positions])
    return student.causal_attention


def dropped_share(zeros: np.ndarray, share: float) -> None:
    """Demand that such a share was dropped; false alarms: at most one in a million.

    By Hoeffding's inequality the share of n independent choices is further than t from its
    mean with probability below 2 exp(−2 n t²).
    """
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * zeros.size))
    got = float(zeros.mean())
    right = abs(got - share) <= bound
    assert_holds(right, f"dropout should drop {share:.2f} ± {bound:.2f} of all, it drops {got:.2f}")


# Networks


def networks(
    code: Code,
    architecture: str,
    vocab_size: int = 9,
    num_countries: int = 3,
    embedding_dim: int = 5,
    units: int = 6,
    num_layers: int = 2,
    dropout: float = 0.2,
    max_length: int = 8,
    num_heads: int = 2,
) -> tuple[Handle, Handle]:
    """Build the model and the stepper, and demand that there are two models."""
    sizes = (vocab_size, num_countries, embedding_dim, units, num_layers, dropout, max_length)
    return two_models(code.build_name_model(architecture, *sizes, num_heads=num_heads))


def zero_states(
    architecture: str, batch: int, units: int = 6, num_layers: int = 2, max_length: int = 8
) -> list[np.ndarray]:
    """The states a stepper begins with."""
    if architecture == "transformer":
        cache = [np.zeros((batch, max_length, units), "f4")] * 2
        return [np.zeros((batch, 1), "i4"), *cache * num_layers]
    each = 2 if architecture == "lstm" else 1
    return [np.zeros((batch, units), "f4")] * (each * num_layers)


# Sampling and writing

VOCABULARY = [*SPECIALS, "-", "A", "B", "a", "b"]
COUNTRIES = ["Chile", "Chad", "Peru", "Fiji"]
# dtypes and shapes of the states of scripted steppers: like an RNN's, like a Transformer's
ROWS = 31  # of a script's table
SCRIPTED: list[list[tuple[str, tuple[int, ...]]]] = [
    [("float32", (3,))],
    [("int32", (1,)), ("float32", (4, 2)), ("float32", (5,))],
]


def table_of(rng: np.random.Generator, end: float) -> np.ndarray:
    """Draw a table of logits; `end` is added to those of END."""
    table = rng.normal(0, 2, (ROWS, 8)).astype("f4")
    table[:, END] += end
    return table


def first_row(states: list[tuple[str, tuple[int, ...]]], country: str) -> int:
    """Tell which row of its table `scripted_stepper` reads for START and states of 0."""
    read = START + 5 * COUNTRIES.index(country)
    return sum(math.prod(shape) * (read + i + 1) for i, (_, shape) in enumerate(states)) % ROWS


def same_names(
    student: Code,
    solution: Code,
    script: tuple[np.ndarray, list],
    max_length: int,
    wanted: list[str],
    starts: list[str] | None = None,
) -> None:
    """Demand the solution's names, the likeliest ones, by a script of table and states."""
    got, want = (
        code.generate_names(
            code.build("scripted_stepper", *script),
            VOCABULARY,
            COUNTRIES,
            wanted,
            starts,
            max_length=max_length,
            temperature=0.0,
        )
        for code in (student, solution)
    )
    assert_equal(written(got, wanted, max_length), want)


def written(names: Any, wanted: list[str], max_length: int) -> list[str]:
    """Demand a list of names, one for each country wanted, none empty and none too long."""
    if type(names) is not list or any(type(name) is not str for name in names):
        raise CheckFailed("type", f"expected a list of str, got {as_text(names)}")
    count = len(wanted)
    assert_holds(len(names) == count, f"expected {count} names, got {len(names)}: {as_text(names)}")
    for name in names:
        fits = 1 <= len(name) <= max_length
        assert_holds(fits, f"{name!r} has {len(name)} characters, not 1 to {max_length}")
    return names
