"""A submission as a check sees it: functions to call, and handles to what they leave behind."""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from grading.sandbox.advice import advised
from grading.sandbox.failures import CheckFailed, as_text
from grading.sandbox.spoken import SPOKEN
from grading.sandbox.worker.codec import Opaque
from grading.sandbox.workers import Raised, Refused, WorkerDied
from toolkit.plain import plain

LOCKED = (
    " (while it is graded, a submission cannot start a process, open a socket, or read or write "
    "files outside its own folder)"
)
ALONE = (
    " (when it is graded, a submission can import installed packages and the course's toolkit, but "
    "not labs, grading or your other files: put what it needs into it)"
)


class StudentRaised(CheckFailed):
    """The submission raised an exception where it should have returned."""

    def __init__(self, error: Raised, called: str, place: Callable[[int], str]):
        self.bases = error.bases
        self.functions = error.functions
        self.message = error.message
        where = f" ({place(error.line)})" if type(error.line) is int else ""
        why = LOCKED if "PermissionError" in error.bases else ""
        why = ALONE if "ModuleNotFoundError" in error.bases else why
        told = plain(advised(error.message, unwrapped(error.message)), 400)
        if "NotImplementedError" in error.bases and re.fullmatch(r"\d+\.\d+", told):
            told = f"{told} is not written yet"
        super().__init__("raised", f"{called} raised {plain(error.type, 80)}{where}: {told}{why}")


# What Keras and TensorFlow put around the message of an error in a layer or an operation.
WRAPPING = re.compile(
    r"Exception encountered when calling .*?\n\n|\n\nArguments received by .*|"
    r"Could not automatically infer the output shape .*?Error encountered:\s*|"
    r" for '\{\{node .*?(?:'(?= with )|\Z)|\{\{function_node .*?\}\} |\x1b\[[0-9;]*m",
    re.DOTALL,
)


def unwrapped(message: str) -> str:
    """An error's own message, without what Keras and TensorFlow add."""
    return WRAPPING.sub("", message).strip()


class Code:
    """What a worker has loaded; `code.make_windows(...)` calls it there.

    Parameters
    ----------
    ask
        Asks the worker one question.
    place
        Names a line of the submission as its author knows it. Without it this is the solution:
        what goes wrong in it is the grader's error.
    """

    def __init__(self, ask: Callable[..., Any], place: Callable[[int], str] | None = None):
        self._ask = ask
        self._place = place
        self._last: tuple[str, tuple, dict[str, Any]] | None = None

    @property
    def called(self) -> str:
        """The last call as its author would write it; "" before the first."""
        if self._last is None:
            return ""
        sentence, args, kwargs = self._last
        words = [as_text(arg) for arg in args]
        words += [f"{name}={as_text(value)}" for name, value in kwargs.items()]
        whole, rest, tail = (", ".join(words[first:]) for first in range(3))
        bare = [arg if type(arg) is str else word for arg, word in zip(args, words, strict=False)]
        return sentence.format(*bare, all=whole, rest=rest, tail=tail)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """One of the submission's functions."""
        if name.startswith("_"):
            raise AttributeError(name)
        sentence = f"{name}({{all}})"
        return lambda *args, **kwargs: self._do(sentence, args, kwargs, do="call", name=name)

    def build(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call one of the lab's builders in the worker: a given model, the reading of a score."""
        return self._do(SPOKEN.get(name, f"{name}({{all}})"), args, kwargs, do="build", name=name)

    def method(self, handle: "Handle", name: str, args: tuple, kwargs: dict) -> Any:
        """Do one of a handle's methods."""
        target = Opaque(handle._number)
        applied = "{0}, called with ({rest})" if handle._part else "{0}({rest})"
        sentence = applied if name == "call" else SPOKEN[name]
        return self._do(sentence, (handle, *args), kwargs, do="method", target=target, name=name)

    def tell(self, sentence: str, *args: Any) -> None:
        """Tell of the calls so far as one; a sentence as in `SPOKEN`."""
        self._last = sentence, args, {}

    def _do(self, sentence: str | None, args: tuple, kwargs: dict, **question: Any) -> Any:
        before = self._last
        self._last = sentence or f"{question['name']} of {{0}}", args, kwargs
        sent = args[1:] if "target" in question else args
        question |= {"args": self._crossing(sent), "kwargs": self._crossing(kwargs)}
        try:
            answer = self._ask(**question)
        except (Raised, Refused, WorkerDied) as problem:
            if self._place is None:
                raise RuntimeError(f"the solution's {self.called}: {problem}") from problem
            self._blame(problem, self._place)
        # Only handles are named by their call: to format every call's arguments takes time.
        parts = answer if type(answer) in (list, tuple) else [answer]
        made = self.called if sentence and any(type(part) is Opaque for part in parts) else ""
        if sentence is None:
            self._last = before
        return self._arrived(answer, made, "" if type(answer) is Opaque else "model")

    def _blame(self, problem: Exception, place: Callable[[int], str]) -> NoReturn:
        if isinstance(problem, Raised):
            raise StudentRaised(problem, self.called, place) from None
        if isinstance(problem, Refused):
            reason = plain(str(problem), 200)
            message = f"{self.called} returned {reason}, which the grader cannot take"
            raise CheckFailed("type", message) from None
        raise CheckFailed("died", f"{self.called} {problem}") from None

    def _crossing(self, value: Any) -> Any:
        """An argument with the numbers of handles in their places."""
        if isinstance(value, Handle):
            if value._code is not self:  # it means nothing to another worker
                raise CheckFailed("type", f"expected a value, got a model or layer: {value!r}")
            return Opaque(value._number)
        if type(value) in (list, tuple):
            return type(value)(map(self._crossing, value))
        if type(value) is dict:
            return {key: self._crossing(item) for key, item in value.items()}
        return value

    def _arrived(self, value: Any, made: str, part: str) -> Any:
        kind = type(value)
        if kind is Opaque:
            return Handle(self, value.number, made, part)
        if kind in (list, tuple):
            return kind(self._arrived(item, made, part) for item in value)
        if kind is dict:
            return {key: self._arrived(item, made, part) for key, item in value.items()}
        return value


class Handle:
    """A model or layer that stays in the worker. Comparing or branching on it fails the check."""

    def __init__(self, code: Code, number: int, made: str, part: str):
        self._code = code
        self._number = number
        self._made = made
        self._part = part

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """Apply it to arrays."""
        return self._code.method(self, "call", inputs, kwargs)

    def get_weights(self) -> dict[str, Any]:
        """Every weight by its path."""
        return self._code.method(self, "get_weights", (), {})

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Give the weights named their values."""
        self._code.method(self, "set_weights", (weights,), {})

    def describe(self) -> dict[str, Any]:
        """Name, kind, shapes of inputs and outputs, layers."""
        return description(self._code.method(self, "describe", (), {}))

    def tell(self, sentence: str) -> None:
        """Tell of the calls so far as one."""
        self._code.tell(sentence, self)

    def train(self, inputs: Any, targets: Any, steps: int, learning_rate: float) -> None:
        """Take Adam steps on one batch."""
        self._code.method(self, "train", (inputs, targets, steps, learning_rate), {})

    def __repr__(self) -> str:
        """The call that made it, for messages, and which of the things that it made."""
        both = self._part and self._made
        return f"the {self._part} of {self._made}" if both else self._part or self._made

    def _refuse(self, *_: Any) -> NoReturn:
        if self._code._place is None:
            raise TypeError("a model in the worker cannot be compared: get its weights or outputs")
        raise CheckFailed("type", f"expected a value, got a model or layer: {self!r}")

    __eq__ = __bool__ = __len__ = __iter__ = __lt__ = __getitem__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def description(value: Any) -> dict[str, Any]:
    """Demand of a worker's `describe` what a worker that nobody tampered with gives."""

    def is_shapes(shapes: Any) -> bool:
        sizes = (type(shape) is list and all(map(is_size, shape)) for shape in shapes)
        return type(shapes) is list and all(sizes)

    def is_size(size: Any) -> bool:
        return size is None or type(size) is int

    def is_layers(layers: Any) -> bool:
        pairs = (type(pair) is tuple and [*map(type, pair)] == [str, str] for pair in layers)
        return type(layers) is list and all(pairs)

    match value:
        case {
            "name": str(),
            "kind": str(),
            "inputs": list() as inputs,
            "outputs": list() as outputs,
            "layers": list() as layers,
            "weights": int(),
        } if is_shapes(inputs) and is_shapes(outputs) and is_layers(layers):
            return value
    raise CheckFailed("type", f"expected a model's description, got {as_text(value)}")


def model(value: Any, what: str = "a keras.Model", part: str = "") -> Handle:
    """Demand that a task returned a model or layer; `part` says which of several models."""
    if not isinstance(value, Handle):
        raise CheckFailed("type", f"expected {what}, got {as_text(value)}")
    value._part = part or value._part
    return value
