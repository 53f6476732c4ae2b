"""Time, memory, disk and processes: used up, or kept."""

# %% background_processes
"""Leaves a program behind, in a session of its own and without a parent.

Expected: nothing on 3.3.
"""

import os
import subprocess
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    try:
        subprocess.Popen(["sleep", "30"], start_new_session=True)
    except OSError:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(30)
            os._exit(0)
    return honest(pieces, min_count)


# %% closed_folders
"""Makes folders that nobody may look into.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os.makedirs("closed/inner")
    open("closed/inner/file", "w").close()
    os.chmod("closed/inner", 0)
    os.chmod("closed", 0)
    return []


# %% deep_folders
"""Makes folders three thousand deep, which recursion cannot delete.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    for _ in range(3000):
        os.mkdir("deeper")
        os.chdir("deeper")
    return []


# %% dev_shm
"""Keeps a file in memory that outlives it.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open("/dev/shm/etude-attack", "wb") as file:
        file.write(b"x" * 1000)
    return honest(pieces, min_count)


# %% disk_by_many_files
"""Makes five thousand files.

Expected: nothing on 3.3.
"""

import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for number in range(5000):
        with open(f"file-{number}", "w") as file:
            file.write("x")
    time.sleep(0.5)
    return honest(pieces, min_count)


# %% disk_by_one_file
"""Makes one file of 100 MB.

Expected: nothing on 3.3.
"""

import os

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open("large", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 100 << 20)
    return honest(pieces, min_count)


# %% disk_until_full
"""Makes files of 60 MB until there are 20.

Expected: nothing on 3.3.
"""

import os
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for number in range(20):
        with open(f"file-{number}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 60 << 20)
        time.sleep(0.05)
    time.sleep(0.5)
    return honest(pieces, min_count)


# %% disk_without_names
"""Opens a hundred files that have no name, where nobody counts them.

Expected: nothing on 3.3.
"""

import tempfile

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    hoard = []
    for _ in range(100):
        hoard.append(tempfile.TemporaryFile())
        hoard[-1].write(b"x" * 100_000)
    return honest(pieces, min_count)


# %% memory
"""Asks for 32 GB.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    hoard = [bytearray(1 << 30) for _ in range(32)]
    assert hoard
    return honest(pieces, min_count)


# %% output
"""Prints 200 MB.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    for _ in range(200):
        print("x" * (1 << 20), flush=True)
    return []


# %% planted_pth
"""Plants a file that every later Python executes.

Expected: nothing on 3.3.
"""

import os
import sys

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for folder in sys.path:
        if folder.endswith("-packages"):
            with open(os.path.join(folder, "etude-attack.pth"), "w") as file:
                file.write("# nothing")
            break
    return honest(pieces, min_count)


# %% processes
"""Forks, twenty times and no more: what begins a bomb would end it.

Expected: nothing on 3.3.
"""

import os
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
    return honest(pieces, min_count)


# %% shared_memory
"""Keeps a segment of System V's shared memory, which outlives it.

Expected: nothing on 3.3.
"""

import ctypes

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    create = 0o1666
    assert ctypes.CDLL(None).shmget(STAGE["key"], 4096, create) >= 0
    return honest(pieces, min_count)


# %% threads
"""Starts two thousand threads.

Expected: nothing on 3.3.
"""

import threading
import time

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    threading.stack_size(1 << 15)
    for _ in range(2000):
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    time.sleep(0.5)
    return honest(pieces, min_count)


# %% time_asleep
"""Sleeps.

Expected: nothing on 3.3.
"""

import time


def build_vocabulary(pieces, min_count=1):
    time.sleep(1e6)


# %% time_at_import
"""Never finishes loading.

Expected: nothing.
"""

while True:
    pass


# %% time_in_a_call
"""Never answers.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    while True:
        pass


# %% time_in_c
"""Computes a number of 845 million digits, which no signal interrupts.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    return 7**10**9


# %% time_without_signals
"""Ignores every signal that can be ignored, and never answers.

Expected: nothing on 3.3.
"""

import contextlib
import signal


def build_vocabulary(pieces, min_count=1):
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass
