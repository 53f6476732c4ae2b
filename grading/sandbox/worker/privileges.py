"""Whom this process runs as: no privilege, nobody looks into it, it ends with its parent."""

import contextlib
import ctypes
import os
import signal

from grading.sandbox.worker.kernel import prctl, syscall

SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE, DROP_BOUND, SET_NO_NEW_PRIVILEGES = 1, 4, 24, 38
SET_CHILD_SUBREAPER = 36
CAPSET, CAPABILITY_VERSION_3 = 126, 0x20080522
CAPABILITIES = 64  # more than there are


def hide() -> None:
    """Let no process of the same user read this one's memory or trace it."""
    prctl(SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of what this process's children leave behind."""
    prctl(SET_CHILD_SUBREAPER, 1)


def become(uid: int) -> None:
    """Turn from root into a user who owns nothing but a scratch folder; for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def renounce() -> None:
    """Give up every privilege that this process has or could get; end with the parent."""
    for capability in range(CAPABILITIES):
        with contextlib.suppress(OSError):  # an ordinary user has none to drop
            prctl(DROP_BOUND, capability)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    syscall(CAPSET, ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    prctl(SET_NO_NEW_PRIVILEGES, 1)
    hide()
    prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
