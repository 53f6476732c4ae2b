"""Landlock: after `restrict` this process can open what is listed, and no other file.

It needs no privilege, holds for every thread that is started later, and cannot be undone
(Linux 5.13 and newer, https://docs.kernel.org/userspace-api/landlock.html). It does not cover
modes, owners and times, nor truncation before version 3: `seccomp` does.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

from grading.sandbox.worker.kernel import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1  # flag of CREATE_RULESET: tell the version instead
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REGULAR, MAKE_SYMLINK = 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REGULAR | MAKE_SYMLINK
WRITE |= REFER | TRUNCATE
OF_A_FILE = READ_FILE | WRITE_FILE | TRUNCATE  # the rights that something other than a folder has


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),  # since version 4
        ("scopes", ctypes.c_uint64),  # since version 6
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """The kernel's version of Landlock; raises OSError where there is none."""
    return syscall(CREATE_RULESET, None, 0, VERSION)


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Lock this process's one thread: paths that do not exist are left out.

    Raises
    ------
    OSError
        If the kernel has no Landlock, or refuses.
    """
    known = version()
    every_right = (1 << (13 + (known >= 2) + (known >= 3) + (known >= 5))) - 1
    rules = _Ruleset(
        files=every_right,  # with version 5 also ioctl on devices
        network=0b11 if known >= 4 else 0,  # bind and connect TCP
        scopes=0b11 if known >= 6 else 0,  # abstract sockets of others, signals to others
    )
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ)
        for path in writable:
            _allow(ruleset, path, (READ | WRITE) & every_right)
        syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(folder).st_mode):
                rights &= OF_A_FILE
            rule = _PathBeneath(rights, folder)
            syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(folder)
