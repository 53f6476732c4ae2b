"""Two doors into the kernel that Python has no name for: prctl, and system calls by number."""

import ctypes
import os
from typing import Any


def prctl(option: int, *arguments: int) -> None:
    """Change something about this process (man 2 prctl); raises OSError."""
    four = [*arguments, 0, 0, 0, 0][:4]
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(option, *map(ctypes.c_ulong, four)))


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call with integers and ctypes pointers; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(each) if type(each) is int else each for each in arguments]
    return _checked(libc.syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
