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
