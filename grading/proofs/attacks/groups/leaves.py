"""Ends of a process, and what is left in a place of the grader's."""

# %% at_import
"""Ends its process with status 0 while it is loaded.

Expected: nothing.
"""

import os

os._exit(0)


# %% by_keyboard_interrupt
"""Pretends that somebody pressed Ctrl-C.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    raise KeyboardInterrupt


# %% by_segfault
"""Reads address 0.

Expected: nothing on 3.3.
"""

import ctypes


def build_vocabulary(pieces, min_count=1):
    ctypes.string_at(0)


# %% by_sigkill
"""Kills itself.

Expected: nothing on 3.3.
"""

import os
import signal


def build_vocabulary(pieces, min_count=1):
    os.kill(os.getpid(), signal.SIGKILL)


# %% by_stack_overflow
"""Calls itself through C until the stack is full.

Expected: nothing on 3.3.
"""

import ctypes
import sys


def build_vocabulary(pieces, min_count=1):
    sys.setrecursionlimit(10**9)
    callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: callback())
    return callback()


# %% endless_message
"""Raises an exception whose message never ends.

Expected: nothing on 3.3.
"""


class Endless(Exception):
    def __str__(self):
        while True:
            pass


def build_vocabulary(pieces, min_count=1):
    raise Endless


# %% in_a_call
"""Ends its process with status 0 when it is asked.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    os._exit(0)


# %% link_to_answers
"""Puts links to a file with answers where the grader may read its prints.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    for name in (*os.listdir("."), ".output", "output", "stdout", "stderr"):
        if os.path.lexists(name):
            os.unlink(name)
        os.symlink(STAGE["answers"], name)
    return []


# %% politely_at_import
"""Exits as a program does while it is loaded.

Expected: nothing.
"""

import sys

sys.exit(0)


# %% politely_in_a_call
"""Exits as a program does when it is asked.

Expected: nothing on 3.3.
"""

import sys


def build_vocabulary(pieces, min_count=1):
    sys.exit(0)


# %% results_at_exit
"""Writes a report of its own when it exits.

Expected: nothing on 3.3.
"""

import atexit
import os
import sys


def build_vocabulary(pieces, min_count=1):
    def report():
        for path in (STAGE["results"], "results.json", "/autograder/results/results.json"):
            try:
                with open(path, "w") as file:
                    file.write('{"score": 100}')
            except OSError:
                continue

    atexit.register(report)
    report()
    sys.stdout.flush()
    os._exit(0)


# %% results_on_stdout
"""Prints what a grader would print, then exits.

Expected: nothing on 3.3.
"""

import os


def build_vocabulary(pieces, min_count=1):
    print('{"score": 100, "earned": 100, "tests": []}\n100 of 100', flush=True)
    os._exit(0)


# %% results_overwritten
"""Overwrites the report of the grader.

Expected: nothing on 3.3.
"""

honest = build_vocabulary


def build_vocabulary(pieces, min_count=1):
    with open(STAGE["results"], "w") as file:
        file.write('{"score": 100}')
    return honest(pieces, min_count)
