"""Answers that break the protocol; all of these attacks have what comes before the first."""

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


# %% by_closed_pipe
"""Closes the pipe on which it should answer.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.close(pipe())
    return []


# %% by_deep_json
"""Answers with lists a hundred thousand deep.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    head = b"[" * 100_000 + b"]" * 100_000
    forge(head)
    return []


# %% by_direct_output
"""Sets the file to which it prints to unbuffered access, in which few reads succeed.

Expected: nothing on 3.3.
"""

import fcntl
import os

print("a line that a message quotes", flush=True)


def build_vocabulary(pieces, min_count=1):
    print("a line that a message quotes", flush=True)
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
    return []


# %% by_dripping
"""Sends one byte after another, and never enough.

Expected: nothing on 3.3.
"""

import os
import time


def build_vocabulary(pieces, min_count=1):
    while True:
        os.write(pipe(), b"\0")
        time.sleep(0.05)


# %% by_evil_shapes
"""Answers with an array that has no elements and 2^78 rows.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps({"dict": [["value", {"array": "int8", "shape": [0, 2**39, 2**39]}]]}).encode()
    forge(head)
    return []


# %% by_forged_frames
"""Sends a hundred answers to questions that nobody asked.

Expected: nothing on 3.3.
"""

import os
import struct


def build_vocabulary(pieces, min_count=1):
    head = b'{"dict":[["value",true]]}'
    for _ in range(100):
        os.write(pipe(), struct.pack(">16sIQ", os.urandom(16), len(head), 0) + head)
    return []


# %% by_garbage
"""Sends bytes that are no frame.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.write(pipe(), b"\xff" * 10_000)
    return []


# %% by_huge_header
"""Announces 16 exabytes.

Expected: nothing on 3.3.
"""

import os
import struct


def build_vocabulary(pieces, min_count=1):
    os.write(pipe(), struct.pack(">16sIQ", bytes(16), 2**32 - 1, 2**64 - 1))
    return []


# %% by_large_score
"""Returns a small score of which a large answer would come: 120 pitches under 190 short notes.

Expected: nothing on 3.2.
"""


def tokens_to_score(tokens):
    from grading.sandbox.worker.codec import MusicXML

    def note(pitch, length, chord=""):
        step, alter = "CCDDEFFGGAAB"[pitch % 12], (0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0)[pitch % 12]
        place = f"<step>{step}</step><alter>{alter}</alter><octave>{pitch // 12 - 1}</octave>"
        return f"<note>{chord}<pitch>{place}</pitch><duration>{length}</duration></note>"

    long = note(2, 190) + "".join(note(pitch, 190, "<chord/>") for pitch in range(3, 122))
    ids, head = ("P1", "P2"), "<attributes><divisions>1</divisions></attributes>"
    listed = "".join(f'<score-part id="{id}"><part-name>x</part-name></score-part>' for id in ids)
    parts = "".join(
        f'<part id="{id}"><measure number="1">{head}{notes}</measure></part>'
        for id, notes in zip(ids, (long, note(60, 1) * 190))
    )
    return MusicXML(
        f'<score-partwise version="4.0"><part-list>{listed}</part-list>{parts}</score-partwise>'
    )


# %% by_many_arrays
"""Returns thousands of arrays that a message would have to spell one by one.

Expected: nothing on 3.3.
"""

import numpy as np


def build_vocabulary(pieces, min_count=1):
    return {0: [np.full((10, 10, 10), 0.1)] * 3_000}


# %% by_odd_booleans
"""Answers with truth values that are neither true nor false.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps({"dict": [["value", {"array": "bool", "shape": [4]}]]}).encode()
    payload = b"\x02\x03\x80\xff"
    forge(head, payload)
    return []


# %% by_odd_error
"""Claims an error that names no class but an array.

Expected: nothing on 3.3.
"""

import json


def build_vocabulary(pieces, min_count=1):
    head = json.dumps(
        {"dict": [["error", {"dict": [["type", "E"], ["message", ""], ["line", None]]}]]}
    ).encode()
    forge(head)
    return []


# %% by_out_of_band
"""Sends one byte out of band, which wakes whoever waits but gives them nothing to read, and sleeps.

Expected: nothing on 3.3.
"""

import socket
import time


def build_vocabulary(pieces, min_count=1):
    kept = socket.socket(fileno=pipe())  # or it is closed
    kept.send(b"\0", socket.MSG_OOB)
    time.sleep(600)
    kept.detach()


# %% by_three_gigabytes
"""Answers with 3 GB of zeros.

Expected: nothing on 3.4.
"""

import numpy as np


def make_windows(pieces, length, stride):
    return tuple(np.zeros(1 << 30, np.uint8) for _ in range(3))
