"""What the worker builds or runs for Lab 2's checks; copied there alone."""

from typing import Any


def number_types(num_pairs: int, submission: Any) -> list[str]:
    """Name the types of the numbers in what `make_pairs` returns; NumPy's cross as int."""
    splits = submission.make_pairs(num_pairs).values()
    return sorted({type(number).__name__ for pairs in splits for number, _ in pairs})


def complaint(name: str, *args: Any, submission: Any) -> str | None:
    """Call a task with bad input: what its ValueError says, None if there is none."""
    try:
        getattr(submission, name)(*args)
    except ValueError as error:
        return str(error)
    return None
