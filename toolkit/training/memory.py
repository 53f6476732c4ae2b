"""A device's memory: how much a call takes, and what to say when it is full."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import EtudeError

FULL = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "OOM", "MemoryError")


@contextmanager
def enough_memory(first: str, value: int, then: str) -> Iterator[None]:
    """Say which setting to lower if the memory is full.

    Parameters
    ----------
    first, value : the setting to lower first, and what it is
    then : the setting to lower if that is not enough

    Raises
    ------
    EtudeError
        In the place of the backend's error; any other error goes through.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise EtudeError(
                f"{first} {value} takes more memory than the device has: lower it first, "
                f'SET="{first}={max(value // 2, 1)}", then {then}'
            ) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory is full."""
    words = f"{type(error).__name__} {error}"
    return any(sign in words for sign in FULL)


def peak_bytes(function: Callable[[], object], *, fresh: bool = False) -> int | None:
    """Call a function and measure what memory it takes at its peak, above what was in use before.

    Of a GPU that TensorFlow sees it is the GPU's. Elsewhere it is the process's, and only if the
    process is `fresh`: one that has trained keeps what it took, and what a function takes of that
    does not show. None, and no call, where nothing can be measured.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.config.list_logical_devices("GPU"):
            tf.config.experimental.reset_memory_stats("GPU:0")
            before = tf.config.experimental.get_memory_info("GPU:0")["current"]
            function()
            return tf.config.experimental.get_memory_info("GPU:0")["peak"] - before
    if not fresh:
        return None
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak begins anew
        before = _status("VmRSS")
        function()
        return max(_status("VmHWM") - before, 0)
    except (OSError, LookupError):
        return None


def _status(name: str) -> int:
    """Read a line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
    return int(found[name].split()[0]) * 1024
