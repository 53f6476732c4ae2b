"""What a check is made of: its mark, and the comparisons that say in words what differs."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest

from grading.sandbox.failures import CHANGED, EXPECTED, CheckFailed, Difference, as_text
from grading.sandbox.proxy import StudentRaised

__tracebackhide__ = True  # of --inprocess: it ends where a check asks, with what was expected


def check(
    task: str, says: str, *, weight: float = 1, hidden: bool = False, cpu: int | None = None
) -> pytest.MarkDecorator:
    """Mark a test as a check of one task.

    Parameters
    ----------
    task
        The task's id, "3.4".
    says
        The property in a few words, "targets are the inputs shifted by one". A hidden check says
        nothing else, so it must be named in the task's docstring.
    weight
        Its share, beside the task's other checks of its kind, of the points: the public checks
        of a task share 60 % of them, the hidden ones 40 %.
    cpu
        CPU seconds it may take, if more than usual.
    """
    return pytest.mark.check(task=task, says=says, weight=weight, hidden=hidden, cpu=cpu)


def assert_array(value: Any, shape: tuple | None = None, kind: str = "biuf") -> np.ndarray:
    """Demand an array of a shape (None in it: any length) and a dtype kind."""
    if not isinstance(value, np.ndarray):
        if not isinstance(value, (bool, int, float)):
            raise CheckFailed("type", f"expected an array, got {as_text(value)}")
        value = np.asarray(value)
    if shape is not None and (
        value.ndim != len(shape)
        or any(want not in (None, got) for got, want in zip(value.shape, shape, strict=True))
    ):
        wanted = str(shape).replace("None", "any")
        raise CheckFailed("shape", f"expected shape {wanted}, got {value.shape}")
    if value.dtype.kind not in kind:
        names = {"b": "bool", "i": "int", "u": "unsigned int", "f": "float"}
        wanted = " or ".join(names[letter] for letter in kind)
        raise CheckFailed("dtype", f"expected dtype {wanted}, got {value.dtype}")
    return value


def assert_dtype(value: Any, shape: tuple[int | None, ...], dtype: str) -> np.ndarray:
    """Demand an array of a shape and of one dtype, "int32"."""
    array = assert_array(value, shape, "f" if dtype.startswith("float") else "iu")
    if array.dtype != dtype:
        raise CheckFailed("dtype", f"expected {dtype}, got {array.dtype}")
    return array


int32 = partial(assert_dtype, dtype="int32")
float32 = partial(assert_dtype, dtype="float32")


def assert_close(
    got: Any,
    want: Any,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    said: tuple[str, str] = EXPECTED,
) -> None:
    """Demand the numbers of `want` to a tolerance: |got − want| ≤ atol + rtol · |want|.

    The defaults are a few hundred roundings of float32, for values near 1. `said` is what a message
    calls the two: where both come from the submission, neither is what is expected.
    """
    want = np.asarray(want)
    got = assert_array(got, want.shape, "f" if want.dtype.kind == "f" else "iu")
    if np.isfinite(got).all():
        near = np.abs(got.astype("f8") - want) <= atol + rtol * np.abs(want)
        wrong = ~(near & np.isfinite(want))  # nothing is near to NaN or infinity
        code, message, how = "value", "", "differ"
    else:
        wrong = ~np.isfinite(got)
        code, message, how = "finite", "NaN or infinity came back: ", "are"
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        where = f" at {list(place)}" if place else ""
        others = f" ({int(wrong.sum())} of {wrong.size} {how})" if wrong.size > 1 else ""
        if code == "value" or np.isfinite(want[place]):
            message += f"{said[0]} {want[place]:.6g}{where}, {said[1]} {got[place]:.6g}{others}"
        else:  # both come from the submission
            message += f"{got[place]:.6g}{where}{others}"
        raise CheckFailed(code, message, Difference(want, got, wrong, said))


def assert_same_after(change: str, got: Any, before: Any, **tolerance: float) -> None:
    """Demand that a change of the inputs makes no difference; `change` says which, and to what."""
    with naming(f"{change} should change nothing"):
        assert_close(got, before, said=CHANGED, **tolerance)


def assert_equal(got: Any, want: Any) -> None:
    """Demand exactly `want`: the same types of list, tuple, text and number, the same integers."""
    if isinstance(want, np.ndarray):
        kind = {"b": "b", "i": "iu", "u": "iu"}[want.dtype.kind]
        array = assert_array(got, want.shape if want.ndim != 1 else (None,), kind)
        if array.size != want.size:
            shared = min(array.size, want.size)
            parted = [
                f"; first at [{place}]: {array[place]} instead of {want[place]}"
                for place in np.flatnonzero(array[:shared] != want[:shared])[:1]
            ]
            raise CheckFailed(
                "shape",
                f"expected {want.size} numbers, got {array.size}: {as_text(want)}, got "
                f"{as_text(array)}{''.join(parted)}",
            )
        if (array != want).any():
            place = tuple(int(index) for index in np.argwhere(array != want)[0])
            row = place[:-1] if want.size > 24 else ()  # of a large array one row is shown
            shown = f"expected {as_text(want[row])}, got {as_text(array[row])}; "
            raise CheckFailed(
                "value",
                f"{f'row {list(row)}: ' if row else ''}{shown if want[row].size <= 24 else ''}"
                f"first at {list(place)}: {array[place]} instead of {want[place]}",
                Difference(want, array, array != want),
            )
    elif type(got) is not type(want):
        raise CheckFailed("type", f"expected {as_text(want)}, got {as_text(got)}")
    elif isinstance(want, (list, tuple)):
        for index, (one, other) in enumerate(zip(got, want, strict=False)):
            if isinstance(other, np.ndarray):
                assert_equal(one, other)
            elif not same(one, other):
                raise CheckFailed(
                    "value",
                    f"expected {as_text(want)}, got {as_text(got)}; first at [{index}]: "
                    f"{as_text(one)} instead of {as_text(other)}",
                )
        if len(got) != len(want):
            raise CheckFailed(
                "value",
                f"expected {len(want)} items, got {len(got)}: {as_text(want)}, got {as_text(got)}",
            )
    elif not same(got, want):
        raise CheckFailed("value", f"expected {as_text(want)}, got {as_text(got)}")


def same(got: Any, want: Any) -> bool:
    """Whether two plain values agree in type and content; nothing in `got` decides how."""
    if type(got) is not type(want):
        return False
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, dict):
        return list(got) == list(want) and all(same(got[key], want[key]) for key in want)
    if isinstance(want, np.ndarray):
        return got.dtype == want.dtype and np.array_equal(got, want)
    return bool(got == want)


def assert_holds(condition: Any, message: str) -> None:
    """Demand a property; the message says how it failed."""
    if not bool(condition):
        raise CheckFailed("value", message)


def assert_parts(value: Any, *names: str) -> list:
    """Demand a tuple or list of so many things; what they are is looked at later."""
    if type(value) not in (tuple, list) or len(value) != len(names):
        raise CheckFailed("type", f"expected ({', '.join(names)}), got {as_text(value)}")
    return list(value)


def assert_arrays(value: Any, **shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Demand a tuple or list of float arrays of these names and shapes."""
    parts = assert_parts(value, *shapes)
    found = []
    for part, (name, shape) in zip(parts, shapes.items(), strict=True):
        with naming(name):
            found.append(assert_array(part, shape, "f"))
    return found


def assert_each(
    names: Iterable[str],
    got: Iterable,
    want: Iterable,
    compare: Callable[..., None] = assert_close,
    **tolerance: float,
) -> None:
    """Demand of several things that came back what is wanted of each, by `assert_close`."""
    for name, one, other in zip(names, got, want, strict=True):
        with naming(name):
            compare(one, other, **tolerance)


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Say in whatever fails here which of several things that came back it is about."""
    try:
        yield
    except CheckFailed as failure:
        failure.args = (f"{part}: {failure}",)
        raise


def assert_raises(error: type[Exception], function: Callable, *args: Any, **kwargs: Any) -> str:
    """Demand that a call of a student's function raises `error` or a kind of it; its message."""
    try:
        result = function(*args, **kwargs)
    except StudentRaised as raised:
        if error.__name__ in raised.bases:
            return raised.message
        raise
    raise CheckFailed("no error", f"expected {error.__name__}, got {as_text(result)}")


def assert_frequencies(
    counts: np.ndarray, probabilities: np.ndarray, drawn: str = "draws id", first: int = 0
) -> None:
    """Demand that draws follow `probabilities`; false alarms: at most one in a million.

    In a message they are `drawn`, and the first of them is the number `first`.

    Each token's count is Binomial(n, p). By Bernstein's inequality it is further than
    t = log(2V/1e-6)/3 + sqrt(2 n p (1 − p) log(2V/1e-6)) + 1 from n p with probability below
    1e-6 / V, so that over all V tokens an honest sampler fails at most once in a million.
    """
    counts, total = np.asarray(counts), int(np.sum(counts))
    spread = math.log(2 * len(counts) / 1e-6)
    expected = total * probabilities
    bound = spread / 3 + np.sqrt(2 * expected * (1 - probabilities) * spread) + 1
    bound = np.where(probabilities == 0, 0, bound)
    far = np.abs(counts - expected) > bound
    if far.any():
        token = int(np.argmax(np.abs(counts - expected) - bound))
        raise CheckFailed(
            "value",
            f"in {total} {drawn} {token + first} came {int(counts[token])} times; its probability "
            f"is {probabilities[token]:.4f}, so expected "
            f"{expected[token]:.0f} ± {bound[token]:.0f}",
        )
