"""What the checks of several labs' networks share: weights, training, steps; NumPy only.

A lab passes `names`, a pattern of its layers' names: a weight is known by the layers so named on
its path and its own name, ("block_0", "query", "kernel"); what else lies between is the author's.
Of a name that Keras numbers, "forward_gru_3", the pattern's group is taken.
"""

import re
from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    as_text,
    assert_array,
    assert_close,
    assert_holds,
    assert_parts,
    naming,
)
from grading.sandbox.proxy import Code, Handle, model

NEVER = -50.0  # a logit: exp(-50) is below one in 10^21
MAX_NUMBERS = 1_000_000  # more weights than any model of a check has, and more logits a step

Weights = dict[tuple[str, ...], np.ndarray]


def models_of(built: Any, *parts: str) -> list[Handle]:
    """Demand so many models, called "model", "encoder" and the like."""
    if isinstance(built, Handle):
        raise CheckFailed("type", f"expected ({', '.join(parts)}), got one model or layer")
    several = assert_parts(built, *parts)
    return [model(one, part=part) for one, part in zip(several, parts, strict=True)]


def two_models(built: Any) -> tuple[Handle, Handle]:
    """Demand a model and its stepper."""
    whole, stepper = models_of(built, "model", "stepper")
    return whole, stepper


def assert_written_out(
    code: Code, kind: str, task: str, inputs: list, sizes: tuple = (), **settings: Any
) -> None:
    """Demand that a task does its own work and Keras's "cell", "attention" or "norm" does not.

    Every check of such a task asks it first: who takes the shortcut earns nothing.
    """
    used = code.build("keras_used", kind, task, list(sizes), settings, inputs)
    if type(used) is not list or used:
        names = as_text(used).strip("[]").replace("'", "")
        raise CheckFailed("value", f"{task}: write it out yourself; here {names} does the work")


# Weights


def weights_of(network: Handle) -> dict[str, np.ndarray]:
    """Every weight by its path; demand that all are arrays of floats."""
    weights = network.get_weights()
    if type(weights) is not dict:
        raise CheckFailed("type", f"expected weights, got {as_text(weights)}")
    arrays = {str(path): assert_array(value, kind="f") for path, value in weights.items()}
    few = sum(value.size for value in arrays.values()) <= MAX_NUMBERS
    assert_holds(few, f"more than {MAX_NUMBERS:,} weights came back")
    return arrays


def key_of(path: str, names: re.Pattern[str]) -> tuple[str, ...]:
    """Name a weight by its layers and itself."""
    *above, own = path.split("/")
    found = [match for match in map(names.fullmatch, above) if match]
    if not (layers := dict.fromkeys(match[match.lastindex or 0] for match in found)):
        message = f"the weight {path!r} is in no layer with a name that the docstring gives"
        raise CheckFailed("value", message)
    return (*layers, own)


def by_layer(network: Handle, names: re.Pattern[str]) -> Weights:
    """Give each weight by its layers' names and its own, ("lstm_0", "kernel")."""
    return {key_of(path, names): value for path, value in weights_of(network).items()}


def set_layers(network: Handle, weights: Weights, names: re.Pattern[str]) -> None:
    """Set weights that are named as `by_layer` does."""
    keys = {path: key_of(path, names) for path in weights_of(network)}
    network.set_weights({path: weights[key] for path, key in keys.items() if key in weights})


def randomize(network: Handle, rng: np.random.Generator) -> None:
    """Set every weight at random, so large that each makes a difference to the outputs."""
    network.set_weights(
        {
            path: rng.normal(0, 0.5, value.shape).astype(value.dtype)
            for path, value in weights_of(network).items()
        }
    )


def randomize_both(
    network: Handle, reference: Handle, names: re.Pattern[str], rng: np.random.Generator
) -> None:
    """Set both models' weights to the same random ones.

    They are drawn for the solution's model and given to the student's: what the solution is asked
    must not depend on what a student returned.
    """
    randomize(reference, rng)
    drawn = by_layer(reference, names)
    demand_same_weights(by_layer(network, names), drawn)
    set_layers(network, drawn, names)


def give_learned(network: Handle, other: Handle, names: re.Pattern[str]) -> None:
    """Set the solution's model to the weights that a student's has learned, layer by layer."""
    learned = by_layer(network, names)  # once: a second answer might differ
    demand_same_weights(learned, by_layer(other, names))
    set_layers(other, learned, names)


def silence(network: Handle, *parts: str) -> None:
    """Set all weights of some layers to zero, "contract" in every block."""
    network.set_weights(
        {
            path: np.zeros_like(value)
            for path, value in weights_of(network).items()
            if any(f"_{part}/" in path for part in parts)
        }
    )


def demand_same_weights(weights: Weights, others: Weights) -> None:
    """Demand another model's weights by name and shape."""
    for key in sorted(weights.keys() ^ others.keys()):  # the same message each time
        there = "lacks" if key in others else "should not have"
        raise CheckFailed("value", f"the layer {'/'.join(key[:-1])!r} {there} a weight {key[-1]!r}")
    for key, value in weights.items():
        assert_holds(
            value.shape == others[key].shape,
            f"{'/'.join(key)} should have shape {others[key].shape}, not {value.shape}",
        )


# Training


def assert_changed(before: Weights, after: Weights, wanted: Weights) -> None:
    """Demand that training changed every weight that is wanted: those of the solution's model.

    The keys' biases are left out: softmax takes away what all of a query's scores have in common.
    """
    for weights in (before, after):
        demand_same_weights(weights, wanted)
    for key in wanted:
        if key[-1] != "bias" or not key[-2].endswith("key"):
            still = np.array_equal(after[key], before[key])
            assert_holds(not still, f"{'/'.join(key)} did not change when the model was trained")


def assert_same_descent(
    student: Code,
    solution: Code,
    layers: tuple[Handle, Handle],
    names: re.Pattern[str],
    target: np.ndarray,
    *inputs: np.ndarray,
) -> None:
    """Demand the solution's gradient in every weight of a layer, in a step of Keras's training."""
    got = student.build("descend", layers[0], target, *inputs)
    if type(got) is not dict:
        raise CheckFailed("type", f"expected weights, got {as_text(got)}")
    moves = {key_of(str(path), names): move for path, move in got.items()}
    for path, want in solution.build("descend", layers[1], target, *inputs).items():
        # the gradient is what a step changed in weights of up to 2: a few roundings of those
        key = key_of(path, names)
        with naming(f"one training step's change of {'/'.join(key)}"):
            assert_close(moves.get(key), want, rtol=1e-3, atol=1e-5)


# Steps


def step_through(
    stepper: Handle, ids: np.ndarray, states: list[np.ndarray], *conditions: np.ndarray
) -> np.ndarray:
    """Feed ids one by one and the states back; the logits of every position.

    Parameters
    ----------
    states
        The first ones. Those that come back must be as many, of the same shapes and kinds.
    conditions
        What stands between the id and the states, the same at every step.

    Before the last step another sequence begins: only the states may say what was read before.
    """
    logits: list[np.ndarray] = []
    first = states
    for position in range(ids.shape[1]):
        if 0 < position == ids.shape[1] - 1:
            stepper(ids[::-1, :1], *conditions, *first)
        answer = stepper(ids[:, position : position + 1], *conditions, *states)
        parts = assert_parts(answer, "logits", *(f"state {i}" for i in range(len(states))))
        shape = logits[0].shape if logits else (len(ids), None)
        logits.append(assert_array(parts[0], shape, "f"))
        few = logits[0].size <= MAX_NUMBERS  # they are kept, step after step
        assert_holds(few, f"more than {MAX_NUMBERS:,} logits came back")
        states = [
            assert_array(new, old.shape, {"f": "f", "b": "b"}.get(old.dtype.kind, "iu"))
            for new, old in zip(parts[1:], states, strict=True)
        ]
    stepper.tell("{0}, fed the ids one by one")
    return np.stack(logits, axis=1)


def assert_same_in_steps(got: Any, call: Any, atol: float, first: int = 0) -> None:
    """Demand of steps, on axis 1, what one call gives; both are the submission's.

    `first` is the first step's position: what was read before it has those below.
    """
    call = assert_array(call, kind="f")
    assert_holds(np.ptp(call) != 0, "the call gives the same numbers whatever goes in")
    try:
        assert_close(got, call, atol=atol, said=("the call gives", "the steps give"))
    except CheckFailed as failure:
        if failure.difference and call.ndim > 1:
            rows = failure.difference.far.swapaxes(0, 1).reshape(call.shape[1], -1)
            place = first + int(rows.any(axis=1).argmax())
            failure.args = (f"{failure}; the first step that differs is at position {place}",)
        raise


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw an array of float32."""
    return rng.normal(size=shape).astype("f4")
