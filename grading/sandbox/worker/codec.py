"""What may cross the pipe: JSON for the shape of a value, raw buffers for its arrays, no pickles.

A frame is a 16-byte question id, the two lengths, the JSON and the buffers. Both sides check every
bound before they allocate; a frame that breaks a rule raises `ProtocolError` and ends the worker.
"""

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_JSON = 1 << 20  # bytes
MAX_PAYLOAD = 256 << 20  # bytes
MAX_DEPTH = 20
MAX_NODES = 20_000
MAX_DIMENSIONS = 8
DTYPES = {"bool", "float16", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
HEAD = struct.Struct(">16sIQ")


class ProtocolError(Exception):
    """A frame or a value that may not cross."""


class MusicXML(str):
    """A score as MusicXML text; a music21 score on the worker's side."""


class Opaque:
    """Something that stays behind in the worker, known to the other side by its number."""

    def __init__(self, number: int):
        self.number = number


def pack(value: Any, keep: Callable[[Any], Opaque] | None = None) -> tuple[Any, list[bytes]]:
    """Turn a value into a JSON tree and the buffers of its arrays.

    Parameters
    ----------
    value
        None, bool, int below 2^63, float, str, list, tuple, dict with such keys, or an array.
    keep
        Called for anything else; returns the `Opaque` that stands for it, or raises ProtocolError.
        None for a question: it can hold nothing else but by a mistake in the grader.

    Raises
    ------
    ProtocolError
        If a value is too large, too deep, or an array of another dtype.
    TypeError
        If there is anything else, and no `keep`.
    """
    buffers: list[bytes] = []
    nodes = 0

    def walk(node: Any, depth: int) -> Any:
        nonlocal nodes
        nodes += 1
        if nodes > MAX_NODES:
            raise ProtocolError(f"more than {MAX_NODES:,} values in one answer")
        if depth > MAX_DEPTH:
            raise ProtocolError(f"a value nested more than {MAX_DEPTH} deep")
        kind = type(node)
        if node is None or kind in (bool, str):
            return node
        if kind is int:
            if not -(2**63) <= node < 2**63:
                raise ProtocolError("an integer beyond 64 bits")
            return node
        if kind is float:
            return node if math.isfinite(node) else {"float": repr(node)}
        if kind is list:
            return [walk(item, depth + 1) for item in node]
        if kind is tuple:
            return {"tuple": [walk(item, depth + 1) for item in node]}
        if kind is dict:
            return {"dict": [[walk(k, depth + 1), walk(v, depth + 1)] for k, v in node.items()]}
        if kind is MusicXML:
            return {"musicxml": str(node)}
        if kind is np.ndarray:
            if node.dtype.name not in DTYPES:
                raise ProtocolError(f"an array of dtype {node.dtype}")
            if node.ndim > MAX_DIMENSIONS:
                raise ProtocolError(f"an array of {node.ndim} dimensions")
            native = np.ascontiguousarray(node, dtype=node.dtype.newbyteorder("="))
            buffers.append(native.tobytes())
            return {"array": node.dtype.name, "shape": list(node.shape)}
        if kind is Opaque:
            return {"opaque": node.number}
        if keep is None:
            raise TypeError(f"a value of type {kind.__name__} in a question")
        nodes -= 1  # it counts as what it becomes
        return walk(keep(node), depth + 1)

    return walk(value, 0), buffers


def unpack(tree: Any, payload: bytes, revive: Callable[[Opaque], Any] | None = None) -> Any:
    """Turn a JSON tree and its payload back into the value; arrays are read-only views."""
    offset = 0
    nodes = 0

    def whole(number: Any) -> bool:
        return type(number) is int and 0 <= number < 2**40

    def walk(node: Any, depth: int) -> Any:
        nonlocal offset, nodes
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ProtocolError("a value too large or too deep")
        if node is None or type(node) in (bool, str, float):
            return node
        if type(node) is int:
            if not -(2**63) <= node < 2**63:
                raise ProtocolError("an integer beyond 64 bits")
            return node
        if type(node) is list:
            return [walk(item, depth + 1) for item in node]
        match node:
            case {"float": ("nan" | "inf" | "-inf") as text}:
                return float(text)
            case {"tuple": list(items)}:
                return tuple(walk(item, depth + 1) for item in items)
            case {"dict": list(pairs)} if all(type(p) is list and len(p) == 2 for p in pairs):
                keys = [walk(key, depth + 1) for key, _ in pairs]
                if not all(key is None or type(key) in (bool, int, float, str) for key in keys):
                    raise ProtocolError("a dictionary key that is not plain")
                values = [walk(item, depth + 1) for _, item in pairs]
                return dict(zip(keys, values, strict=True))
            case {"musicxml": str(text)}:
                return MusicXML(text)
            case {"opaque": number} if whole(number):
                return revive(Opaque(number)) if revive else Opaque(number)
            case {"array": str(name), "shape": list(shape)} if name in DTYPES:
                if len(shape) > MAX_DIMENSIONS or not all(map(whole, shape)):
                    raise ProtocolError("an array of impossible shape")
                dtype = np.dtype(name)
                size = math.prod(shape) * dtype.itemsize
                # an empty array's other lengths count too: NumPy multiplies them
                if size > len(payload) - offset or math.prod(filter(None, shape)) >= 2**40:
                    raise ProtocolError("an array larger than its bytes")
                array = np.frombuffer(payload, dtype, math.prod(shape), offset)
                if name == "bool" and size and array.view(np.uint8).max() > 1:
                    raise ProtocolError("a truth value that is neither true nor false")
                offset += size
                return array.reshape(shape)
        raise ProtocolError("a value of unknown form")

    value = walk(tree, 0)
    if offset != len(payload):
        raise ProtocolError("bytes that belong to no array")
    return value


def send(write: Callable[[bytes], Any], question: bytes, tree: Any, buffers: list[bytes]) -> None:
    """Write one frame.

    Parameters
    ----------
    write
        Writes all bytes it is given, or raises.
    """
    head = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()
    size = sum(map(len, buffers))
    if len(head) > MAX_JSON:
        raise ProtocolError(f"an answer of more than {MAX_JSON >> 20} MB of text")
    if size > MAX_PAYLOAD:
        raise ProtocolError(f"arrays of more than {MAX_PAYLOAD >> 20} MB")
    write(HEAD.pack(question, len(head), size) + head)
    for buffer in buffers:
        write(buffer)


def receive(read: Callable[[int], bytes]) -> tuple[bytes, Any, bytes]:
    """Read one frame: the question's id, the JSON tree and the payload.

    Parameters
    ----------
    read
        Returns exactly so many bytes, or raises.
    """
    question, head_size, size = HEAD.unpack(read(HEAD.size))
    if head_size > MAX_JSON or size > MAX_PAYLOAD:
        raise ProtocolError("a frame larger than allowed")
    try:
        tree = json.loads(read(head_size))
    except (ValueError, RecursionError):
        raise ProtocolError("a frame that is not JSON") from None
    return question, tree, read(size)
