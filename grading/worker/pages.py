"""Large pages for what this process has in memory: a fork copies a page table, entry by entry."""

import contextlib
import ctypes
from pathlib import Path

COLLAPSE = 25  # MADV_COLLAPSE, Linux 6.1 and later (man 2 madvise)
LARGE = 2 << 20  # bytes


def collapse() -> None:
    """Put memory that no file stands behind on large pages, where the kernel can do it.

    With TensorFlow loaded a fork and its end then take half the time; the collapsing itself takes
    as much as some forty of them. What a fork writes to is still copied 4 kB at a time.
    """
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        maps = Path("/proc/self/maps").read_text()
        madvise = ctypes.CDLL(None).madvise
        for line in maps.splitlines():
            span, mode, _, _, _, *name = line.split(maxsplit=5)
            begin, end = (int(address, 16) for address in span.split("-"))
            begin, end = -(-begin // LARGE) * LARGE, end // LARGE * LARGE
            if mode == "rw-p" and name in ([], ["[heap]"]) and begin < end:
                madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), COLLAPSE)
