"""Doors into the kernel that Python has no name for: prctl, madvise, system calls by number."""

import ctypes
import os
from functools import cache
from typing import Any


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def prctl(option: int, *arguments: int) -> None:
    """Change something about this process (man 2 prctl); raises OSError."""
    four = [*arguments, 0, 0, 0, 0][:4]
    _checked(_libc().prctl(option, *map(ctypes.c_ulong, four)))


def madvise(address: int, length: int, advice: int) -> None:
    """Advise the kernel about memory of this process (man 2 madvise); raises OSError."""
    _checked(_libc().madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), advice))


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call with integers and ctypes pointers; raises OSError."""
    given = [ctypes.c_long(each) if type(each) is int else each for each in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
