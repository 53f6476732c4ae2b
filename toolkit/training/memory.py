"""What to say when a device's memory is full."""

from collections.abc import Iterator
from contextlib import contextmanager

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
