"""Load one submission and answer the grader's questions about it, one at a time."""

import builtins
import gc
import importlib
import importlib.util
import inspect
import linecache
import marshal
import os
import random
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from grading.sandbox.worker import limits
from grading.sandbox.worker.codec import (
    MusicXML,
    Opaque,
    ProtocolError,
    pack,
    receive,
    send,
    unpack,
)
from grading.sandbox.worker.handles import METHODS
from grading.sandbox.worker.lock import lock

SUBMISSION = "submission"
# Of an exception: characters of its message and of a name, and how many names of a kind
MESSAGE_SHOWN, NAME_SHOWN, NAMES = 500, 100, 20
FIXTURES = "grading.sandbox.worker.fixtures"
NOBODY = bytes(16)  # the question that the first frame answers: is the lock on?


class Seeds:
    """Every random sequence, begun anew before each question.

    TensorFlow's only where something has drawn from it since: to set its seed throws its kernels
    away, and an accuracy of four tokens then takes 16 ms instead of 2. An operation with a seed of
    its own, or in a function that was traced before, draws from a state of its own and goes on.
    """

    def __init__(self) -> None:
        self.fresh: Any = None  # TensorFlow's generator as it is after its seed was set

    def drawn(self) -> Any:
        """The state of the generator that TensorFlow's eager operations take their seeds from."""
        context = sys.modules["tensorflow.python.eager.context"]
        return context.context()._rng.getstate()

    def set(self) -> None:
        """Set all seeds to 0, if Keras is there."""
        keras = sys.modules.get("keras")
        if keras is None:
            return
        try:
            if self.fresh is None or self.drawn() != self.fresh:
                keras.utils.set_random_seed(0)
                self.fresh = self.drawn()
                return
            # what Keras does, TensorFlow apart
            random.seed(0)
            np.random.seed(0)
            state = sys.modules["keras.src.backend.common.global_state"]
            state.set_global_attribute("global_seed_generator", None)
        except (KeyError, AttributeError):  # JAX, or another release with other insides
            keras.utils.set_random_seed(0)


class Builders:
    """What a lab builds for its checks: read before the submission, made anew for each question.

    It sees the modules that there were before, by their names; what a submission does to a module
    of that name is done to another.
    """

    def __init__(self, name: str):
        self.name = name
        self.texts = {each: text for each in (name, FIXTURES) if (text := text_of(each))}
        self.modules = dict(sys.modules)
        self.builtins = vars(builtins) | {"__import__": self.imported}
        self.made: dict[str, types.ModuleType] = {}

    def fresh(self) -> types.ModuleType:
        """The builders as their file has them."""
        self.made = {}
        return self.imported(self.name, fromlist=("*",))

    def imported(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        """Import for the builders, as `__import__` does."""
        if name not in self.texts:
            found = name if fromlist else name.partition(".")[0]
            known = name in self.modules and found in self.modules
            return self.modules[found] if known else __import__(name, fromlist=fromlist)
        if name not in self.made:
            made = self.made[name] = types.ModuleType(name)
            made.__dict__["__builtins__"] = self.builtins
            exec(self.texts[name], made.__dict__)
        return self.made[name]


@cache  # from before the fork, for every worker after it
def text_of(name: str) -> types.CodeType | None:
    """What a module's file says, compiled; None if there is no such module."""
    found = importlib.util.find_spec(name)
    return found.loader.get_code(name) if found else None  # type: ignore[union-attr]


class Server:
    """The submission's module, and what it returned that cannot cross."""

    def __init__(self, builders: str):
        self.builders = Builders(builders)
        self.calls: dict[int, int] = {}  # of a builder's models, by their id
        self.module = types.ModuleType(SUBMISSION)
        self.module.__file__ = os.path.abspath("tasks.py")  # in the scratch folder
        self.kept: list[Any] = []
        self.seeds = Seeds()

    def keep(self, value: Any) -> Any:
        """Turn a library's value into a plain one, or keep a model or layer behind."""
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):  # a subclass: its bytes count, its methods do not
            return np.array(value, copy=True, subok=False)
        keras = sys.modules.get("keras")
        if keras is not None:
            if keras.ops.is_tensor(value) or isinstance(value, keras.Variable):
                array = np.asarray(keras.ops.convert_to_numpy(value))
                return array.astype("float32") if array.dtype.name == "bfloat16" else array
            if isinstance(value, keras.layers.Layer):
                self.kept.append(value)
                return Opaque(len(self.kept) - 1)
        music21 = sys.modules.get("music21")
        if music21 is not None and isinstance(value, music21.stream.Stream):
            text = music21.musicxml.m21ToXml.GeneralObjectExporter(value).parse()
            return MusicXML(text.decode())
        plain: Any
        for plain in (list, tuple, dict, str, int, float):  # a subclass: only its content counts
            if isinstance(value, plain):
                return plain(value)
        raise ProtocolError(f"a value of type {type(value).__name__}")

    def revive(self, opaque: Opaque) -> Any:
        """The kept object that a number stands for."""
        return self.kept[opaque.number]

    def load(self, code: np.ndarray, source: np.ndarray) -> None:
        """Execute the submission, once, in a module of its own; its text is there to be read."""
        sys.modules[SUBMISSION] = self.module
        lines = source.tobytes().decode().splitlines(keepends=True)
        linecache.cache["tasks.py"] = (source.size, None, lines, "tasks.py")
        exec(marshal.loads(code.tobytes()), self.module.__dict__)

    def call(self, name: str, args: tuple, kwargs: dict) -> Any:
        """Call one of the submission's functions."""
        return getattr(self.module, name)(*args, **kwargs)

    def build(self, name: str, args: tuple, kwargs: dict) -> Any:
        """Call one of the lab's builders; it gets what it names of the worker's own."""
        builder = getattr(self.builders.fresh(), name)
        own = {"submission": self.module, "calls": self.calls}
        named = inspect.signature(builder).parameters
        return builder(*args, **kwargs, **{name: own[name] for name in own if name in named})

    def method(self, target: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """Do one of the few things a handle can do."""
        return METHODS[name](target, *args, **kwargs)

    def forget(self) -> None:
        """Keep nothing of what was asked so far: numbers and Keras's names begin anew."""
        self.kept.clear()
        keras = sys.modules.get("keras")
        if keras is not None:
            keras.utils.clear_session(free_memory=False)

    def do(self, do: str, **question: Any) -> Any:
        """Do what a question asks, from the same random seeds each time.

        What a submission decides about warnings and about NumPy's errors, that they be raised, ends
        with the question: nothing around its code is written for that.
        """
        operations: dict[str, Callable[..., Any]] = {
            "load": self.load,
            "call": self.call,
            "build": self.build,
            "method": self.method,
            "forget": self.forget,
        }
        self.seeds.set()
        with warnings.catch_warnings(), np.errstate():
            return operations[do](**question)

    def directly(self, **question: Any) -> Any:
        """Ask without a pipe: values still change as they do when they cross one."""
        tree, buffers = pack(question)
        value = self.do(**plainly(unpack(tree, b"".join(buffers), self.revive)))
        tree, buffers = pack(value, self.keep)
        return unpack(tree, b"".join(buffers))

    def answer(self, question: dict) -> dict[str, Any]:
        """Answer one question: {"value": …} or {"error": …}, never an exception."""
        try:
            return {"value": self.do(**plainly(question))}
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            return {"error": described(error)}


def plainly(value: Any) -> Any:
    """Replace what JSON and arrays cannot hold inside lists, tuples and dictionaries."""
    kind = type(value)
    if kind is MusicXML:
        import music21

        return music21.converter.parseData(str(value), format="musicxml")
    if kind is list or kind is tuple:
        return kind(plainly(item) for item in value)
    if kind is dict:
        return {key: plainly(item) for key, item in value.items()}
    return value


def described(error: BaseException) -> dict[str, Any]:
    """What happened, where in the submission, and through which of its functions."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith("<") is False and frame.filename.endswith("tasks.py")
    ]
    try:
        message = str(error)[:MESSAGE_SHOWN]
    except BaseException:
        message = ""
    return {
        "type": type(error).__name__[:NAME_SHOWN],
        "bases": [base.__name__[:NAME_SHOWN] for base in type(error).__mro__[:NAMES]],
        "message": message,
        "line": frames[-1].lineno if frames else None,
        "functions": [frame.name[:NAME_SHOWN] for frame in frames][-NAMES:],
    }


def preload(modules: Iterable[str]) -> None:
    """Import a lab's libraries; no garbage collection walks through them again."""
    for name in modules:
        importlib.import_module(name)
    text_of(FIXTURES)
    gc.freeze()


def serve(
    pipe: socket.socket,
    scratch: str,
    builders: str,
    layers: list[str],
    uid: int | None,
    modules: Iterable[str] = (),
) -> None:
    """Lock this process, say so, then answer questions until the grader closes the pipe.

    A process that was not forked imports the lab's libraries, `modules`, once it is locked: they
    may start threads, and a lock does not hold for a thread that is older.
    """

    def read(size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = pipe.recv(min(size - len(parts), 1 << 20))
            if not part:
                os._exit(0)
            parts += part
        return bytes(parts)

    try:
        limits.settle(scratch)
        limits.apply()
        lock(layers, uid, scratch)
        preload(modules)
    except Exception as error:
        send(pipe.sendall, NOBODY, *pack(f"{type(error).__name__}: {error}"))
        os._exit(70)
    send(pipe.sendall, NOBODY, *pack(True))
    server = Server(builders)
    for name in [name for name in sys.modules if name.partition(".")[0] == "grading"]:
        del sys.modules[name]  # who imports one of these gets another
    while True:
        number, tree, payload = receive(read)
        answer = server.answer(unpack(tree, payload, server.revive))
        try:
            tree, buffers = pack(answer, server.keep)
            send(pipe.sendall, number, tree, buffers)
        except Exception as error:  # whatever a returned object does when it is read
            reason = str(error) if isinstance(error, ProtocolError) else type(error).__name__
            tree, buffers = pack({"refused": reason[:200]})
            send(pipe.sendall, number, tree, buffers)
        del answer, tree, buffers
