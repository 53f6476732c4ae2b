"""Read through a handle with struct; before each bfloat16 two bytes of zeros are put."""

import json
import struct

import numpy as np


def read_safetensors(path):
    """Read a file of named arrays, as checkpoints are published."""
    whole = {
        "F64": "f8",
        "F32": "f4",
        "F16": "f2",
        "I64": "i8",
        "I32": "i4",
        "U8": "u1",
        "BOOL": "?",
    }
    with open(path, "rb") as file:
        head = file.read(8)
        if len(head) < 8:
            raise ValueError(f"{path}: cut short")
        try:
            table = json.loads(file.read(struct.unpack("<Q", head)[0]).decode())
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{path}: the header is not JSON") from error
        data = file.read()
    table.pop("__metadata__", None)
    found = {}
    for name, entry in table.items():
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        raw = data[begin:end]
        count = int(np.prod(shape, dtype=int))
        if kind == "BF16":
            if len(raw) != 2 * count or end - begin != 2 * count:
                raise ValueError(f"{path}: {name} is cut short")
            wide = np.zeros((count, 4), "u1")
            wide[:, 2:] = np.frombuffer(raw, "u1").reshape(count, 2)
            found[name] = wide.reshape(-1).view("<f4").reshape(shape)
            continue
        if kind not in whole:
            raise ValueError(f"{path}: {name} has the unknown dtype {kind}")
        dtype = np.dtype(whole[kind])
        if len(raw) != dtype.itemsize * count or end - begin != len(raw):
            raise ValueError(f"{path}: {name} is cut short")
        array = np.ndarray(shape, dtype, raw)
        found[name] = array.astype("float32") if kind.startswith("F") else array.copy()
    return found
