"""What attacks on the protocol find before their code: the pipe, and an answer written by hand."""

import os
import stat
import struct
import sys
from types import FrameType


def pipe() -> int:
    """The descriptor on which its process talks with the grader."""
    for number in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise LookupError


def forge(head: bytes, payload: bytes = b"") -> None:
    """Answer the question that is open: its number is in a frame of the worker's own."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and "number" not in frame.f_locals:
        frame = frame.f_back
    assert frame is not None
    start = struct.pack(">16sIQ", frame.f_locals["number"], len(head), len(payload))
    os.write(pipe(), start + head + payload)
