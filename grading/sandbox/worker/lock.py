"""The lock that a worker puts on itself before it loads a submission. It has no key."""

import os
import sys

from grading.sandbox.worker import landlock, privileges, seccomp

USER, FILES, CALLS = LAYERS = ("user", "files", "calls")
SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/usr/share/fonts"),
    # of /proc and /sys only what libraries ask for, and nothing that counts what others do
    *(f"/proc/self/{name}" for name in ("cgroup", "cmdline", "fd", "maps", "mountinfo", "status")),
    *("/proc/cpuinfo", "/dev/urandom"),
    *(f"/sys/devices/system/cpu/{name}" for name in ("online", "possible", "present")),
)


class NotLocked(Exception):
    """A layer that was asked for could not be had."""


def one_thread() -> bool:
    """Whether this process has exactly one: a lock, and a fork, holds for that one only."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def readable() -> list[str]:
    """The interpreter, its libraries, and where it imports from: the copy of the toolkit is there.

    No course folder: the grader started this process with nothing of it on its path.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    return [
        *(path for path in sys.path if path),
        *(f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64")),
        *SYSTEM,
    ]


def lock(layers: list[str], uid: int | None, scratch: str) -> None:
    """Lock this process: all of `layers`, or an exception.

    Parameters
    ----------
    layers
        Which of `LAYERS`; none still gives up every privilege, where the system knows how.
    uid
        The user to become, for the layer "user".
    scratch
        The one folder that stays writable.

    Raises
    ------
    NotLocked
        If there is more than one thread, or the kernel refuses.
    """
    if sys.platform != "linux":
        if layers:
            raise NotLocked(f"there is no such lock on {sys.platform}")
        return
    if not one_thread():
        raise NotLocked("a thread that is older than the lock would stay outside it")
    try:
        if USER in layers:
            assert uid is not None
            privileges.become(uid)
        privileges.renounce()
        if FILES in layers:
            landlock.restrict(readable(), [scratch, "/dev/null"])
        if CALLS in layers:
            seccomp.restrict()
    except OSError as error:
        raise NotLocked(f"the kernel refused: {error}") from error
