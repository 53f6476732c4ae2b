"""Answers, inputs and secrets that lie elsewhere."""

# %% another_submission
"""Executes what another student handed in.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    names = {}
    with open(STAGE["sibling"]) as file:
        exec(file.read(), names)
    return names["build_vocabulary"](pieces, min_count)


# %% answers_file
"""Reads a file with answers that only its owner may read.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open(STAGE["answers"]) as file:
        assert "def " in file.read()
    return honest(pieces, min_count)


# %% by_older_thread
"""Looks for a thread of its process that the lock does not bind.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    outside = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/status") as file:
            outside.append("Seccomp:\t0" in file.read())
    assert any(outside)
    return honest(pieces, min_count)


# %% by_process_vm
"""Reads its parent's memory by a system call made for that.

Expected: nothing on 3.3.
"""

import ctypes
import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    class Piece(ctypes.Structure):
        _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t))

    room = ctypes.create_string_buffer(8)
    here = Piece(ctypes.addressof(room), 8)  # a fork has its parent's addresses
    there = Piece(id(os), 8)
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (os.getppid(), STAGE["grader"]):
        if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 8:
            break
    else:
        raise PermissionError
    return honest(pieces, min_count)


# %% by_ptrace
"""Attaches to the grader as a debugger does.

Expected: nothing on 3.3.
"""

import ctypes
import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach = 16, 17
    assert libc.ptrace(attach, STAGE["grader"], 0, 0) == 0
    os.waitpid(STAGE["grader"], 0)
    libc.ptrace(detach, STAGE["grader"], 0, 0)
    return honest(pieces, min_count)


# %% descriptors
"""Looks for files that its parents left open.

Expected: nothing on 3.3.
"""

import os
import stat

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    found = []
    for number in range(3, 64):
        try:
            found.append(os.fstat(number).st_mode)
        except OSError:
            continue
    assert len(found) > 1 or not stat.S_ISSOCK(found[0])
    return honest(pieces, min_count)


# %% disk_by_walking
"""Walks the disk for files whose name promises answers.

Expected: nothing on 3.3.
"""

import itertools
import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    places = itertools.chain(os.walk(STAGE["course"]), os.walk(STAGE["outside"]), os.walk("/home"))
    found = [
        os.path.join(folder, name)
        for folder, _, names in itertools.islice(places, 500)
        for name in names
        if name in ("solution.py", "answers.py")
    ]
    with open(found[0]) as file:
        assert file.read(1)
    return honest(pieces, min_count)


# %% earlier_input
"""Keeps each input and answers the question before.

Expected: nothing on 3.3.
"""

honest, earlier = build_vocabulary, [[]]


def build_vocabulary(pieces, min_count=1):
    earlier.append(pieces)
    return honest(earlier[-2])


# %% environment
"""Looks for the course's secret in its own environment and the grader's.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    if "ETUDE_SECRET" not in os.environ:
        with open(f"/proc/{STAGE['grader']}/environ", "rb") as file:
            assert file.read()
    return honest(pieces, min_count)


# %% frames
"""Looks for what is expected in the frames of its callers.

Expected: nothing on 3.3.
"""

import sys

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    frame, found = sys._getframe(1), []
    while frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            found += [name for name in ("want", "wanted", "expected", "solution") if name in names]
        frame = frame.f_back
    assert found
    return honest(pieces, min_count)


# %% gc
"""Looks for an answer among all objects that the garbage collector knows.

Expected: nothing on 3.3.
"""

import gc


def build_vocabulary(pieces, min_count=1):
    for thing in gc.get_objects():
        if type(thing) is list and thing[:4] == SPECIALS and len(thing) > 4:
            return thing
    raise LookupError("no answer here")


# %% inputs_by_page_cache
"""Writes hidden inputs into which pages of a library's file are in memory; a later worker reads it.

Expected: nothing on 3.4.
"""

import os
import sys

LETTERS, BITS, PAGE = 60, 8, 4096
honest = build_vocabulary


def library():
    """A file that every worker may open, that is large, and that nobody has loaded."""
    for folder in sys.path:
        for name in large_files(folder):
            file = os.open(name, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
            return file
    raise LookupError


def large_files(folder):
    """Shared objects with as many pages as there are bits."""
    loaded = open("/proc/self/maps").read()
    for place, _, names in os.walk(os.path.join(folder, "scipy")):
        for name in sorted(names):
            path = os.path.join(place, name)
            if name.endswith(".so") and path not in loaded:
                if os.path.getsize(path) > LETTERS * BITS * PAGE:
                    yield path


def build_vocabulary(pieces, min_count=1):
    if "hidden" in repr(pieces):  # the first call of a hidden check, say
        try:
            file = library()
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            text = repr(pieces)[:LETTERS].ljust(LETTERS).encode()
            for place in range(LETTERS * BITS):
                if text[place // BITS] >> place % BITS & 1:
                    os.pread(file, 1, place * PAGE)
        except (OSError, LookupError):
            pass
    return honest(pieces, min_count)


def make_windows(pieces, window, stride):
    file = library()
    text = [0] * LETTERS
    for place in range(LETTERS * BITS):
        try:
            os.preadv(file, [bytearray(1)], place * PAGE, os.RWF_NOWAIT)
            text[place // BITS] |= 1 << place % BITS
        except BlockingIOError:
            pass
    raise ValueError(bytes(text).decode("latin-1"))


# %% inputs_into_class_names
"""Raises an exception whose class is named after hidden inputs.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise type(f"Input{pieces}", (Exception,), {})


# %% inputs_into_exceptions
"""Raises hidden inputs as an exception's message.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise ValueError(repr(pieces))


# %% inputs_into_prints
"""Prints hidden inputs, and more than a report would show.

Expected: nothing on 3.3.
"""

import sys


def build_vocabulary(pieces, min_count=1):
    print("inputs", pieces, file=sys.stderr, flush=True)
    return []


# %% limits_away
"""Raises its own limit of CPU time, by Python and by ctypes.

Expected: nothing on 3.3.
"""

import ctypes
import resource

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    class Limit(ctypes.Structure):
        _fields_ = (("soft", ctypes.c_ulong), ("hard", ctypes.c_ulong))

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    except (OSError, ValueError):
        ctypes.CDLL(None).prlimit(0, resource.RLIMIT_CPU, ctypes.byref(Limit(hard, hard)), None)
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] > soft
    return honest(pieces, min_count)


# %% other_workers
"""Looks into the folders of the workers beside it.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    here = os.path.basename(os.getcwd())
    others = [name for name in os.listdir("..") if name.startswith("work-") and name != here]
    os.listdir(os.path.join("..", others[0]))
    return honest(pieces, min_count)


# %% parent_memory
"""Reads the memory of the grader, and of its own parent.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for pid in (STAGE["grader"], os.getppid()):
        with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps") as places:
            memory.seek(int(places.readline().split("-")[0], 16))
            assert memory.read(1)
    return honest(pieces, min_count)


# %% solution_by_import
"""Imports the solution as the course's own code does.

Expected: nothing on 3.3.
"""

import importlib


def build_vocabulary(pieces, min_count=1):
    solution = importlib.import_module("labs.lab3_notes.solution")
    return solution.build_vocabulary(pieces, min_count)


# %% solution_by_locks
"""Writes what it borrows as locks on a library's file; the worker of its own chain reads them.

Expected: nothing on 3.9.
"""

import fcntl
import os
import struct

LOCK = "hhqqi4x"  # struct flock: type, whence, start, length, process
LETTERS = 60


def library():
    """A file that every worker may open."""
    return os.open(os.__file__, os.O_RDONLY)


def generate(stepper, primers, max_length, **settings):
    file = library()
    if sample_next.__code__.co_filename == "solution.py":
        for place, letter in enumerate((sample_next.__doc__ or "")[:LETTERS]):
            lock = struct.pack(LOCK, fcntl.F_RDLCK, 0, 256 * place + ord(letter) % 256, 1, 0)
            fcntl.fcntl(file, fcntl.F_SETLK, lock)
        os.dup(file)  # a lock goes with the first descriptor that is closed
        sample_next.kept = file
        return []
    text = ""
    for place in range(LETTERS):
        asked = struct.pack(LOCK, fcntl.F_WRLCK, 0, 256 * place, 256, 0)
        answer = struct.unpack(LOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        text += chr(answer[2] % 256) if answer[0] != fcntl.F_UNLCK else ""
    raise ValueError(text)


# %% solution_by_path
"""Adds the course's folder to its path and imports the solution from there.

Expected: nothing on 3.3.
"""

import importlib
import sys


def build_vocabulary(pieces, min_count=1):
    sys.path.insert(0, STAGE["course"])
    for name in [name for name in sys.modules if name.split(".")[0] == "labs"]:
        del sys.modules[name]
    solution = importlib.import_module("labs.lab3_notes.solution")
    return solution.build_vocabulary(pieces, min_count)


# %% solution_file
"""Executes the solution from the course's folder.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    names = {}
    with open(STAGE["solution"]) as file:
        exec(file.read(), names)
    return names["build_vocabulary"](pieces, min_count)
