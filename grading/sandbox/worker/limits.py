"""What one worker may use up: memory, time, files, output."""

import contextlib
import os
import resource
import tempfile

MEMORY = 4 << 30  # bytes of address space; TensorFlow needs 1.75 GiB
FILE = 64 << 20  # bytes a file, and so of output
OPEN_FILES = 64  # with FILE it bounds files that have no name, and so no folder to count them in
CPU_HARD = 600  # seconds in all; the grader lowers the soft limit check by check
# What the grader counts ten times a second, because no limit of the kernel's does
SCRATCH = 256 << 20  # bytes in the scratch folder
ENTRIES = 2_000  # files and folders in it
THREADS = 256

# One thread each: the process that forks must have exactly one, and results repeat.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "Agg",
}
FOLDERS = ("HOME", "TMPDIR", "KERAS_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


def apply() -> None:
    """Limit this process, for good."""
    for name, value in (
        ("RLIMIT_AS", MEMORY),
        ("RLIMIT_CPU", CPU_HARD),
        ("RLIMIT_FSIZE", FILE),
        ("RLIMIT_NOFILE", OPEN_FILES),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
    ):
        # not every system knows, or lets a process set, every limit
        with contextlib.suppress(AttributeError, ValueError, OSError):
            limit = getattr(resource, name)
            soft = resource.getrlimit(limit)[0]  # the grader may have lowered it already
            lower = value if soft == resource.RLIM_INFINITY else min(soft, value)
            resource.setrlimit(limit, (lower, value))


def die_first() -> None:
    """Be what the system ends first when memory runs out; inherited by what is forked."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def settle(scratch: str) -> None:
    """Move into the scratch folder: everything a library writes goes there."""
    os.chdir(scratch)
    os.environ.update(dict.fromkeys(FOLDERS, scratch))
    tempfile.tempdir = None  # it may have been asked for before the fork
