"""Load one submission and answer the grader's questions about it, one at a time."""

import gc
import importlib
import inspect
import marshal
import os
import random
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from grading.worker import limits
from grading.worker.codec import MusicXML, Opaque, ProtocolError, pack, receive, send, unpack
from grading.worker.handles import METHODS
from grading.worker.lock import lock

SUBMISSION = "submission"
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


class Server:
    """The submission's module, and what it returned that cannot cross."""

    def __init__(self, builders: str):
        self.builders = builders
        self.module = types.ModuleType(SUBMISSION)
        self.module.__file__ = os.path.abspath(
            "tasks.py"
        )  # in the scratch folder: training has one
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

    def load(self, code: np.ndarray) -> None:
        """Execute the submission, once, in a module of its own."""
        sys.modules[SUBMISSION] = self.module
        exec(marshal.loads(code.tobytes()), self.module.__dict__)

    def call(self, name: str, args: tuple, kwargs: dict) -> Any:
        """Call one of the submission's functions."""
        return getattr(self.module, name)(*args, **kwargs)

    def build(self, name: str, args: tuple, kwargs: dict) -> Any:
        """Call one of the lab's builders; it gets the submission's module if it names one."""
        builder = getattr(importlib.import_module(self.builders), name)
        if "submission" in inspect.signature(builder).parameters:
            kwargs = {**kwargs, "submission": self.module}
        return builder(*args, **kwargs)

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
        message = str(error)[:500]
    except BaseException:
        message = ""
    return {
        "type": type(error).__name__[:100],
        "bases": [base.__name__[:100] for base in type(error).__mro__[:8]],
        "message": message,
        "line": frames[-1].lineno if frames else None,
        "functions": [frame.name[:100] for frame in frames][-20:],
    }


def preload(modules: Iterable[str]) -> None:
    """Import a lab's libraries; no garbage collection walks through them again."""
    for name in modules:
        importlib.import_module(name)
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
