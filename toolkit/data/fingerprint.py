"""What made a corpus, as one hash: where it changes, the corpus is stale."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any


def fingerprint(*makers: ModuleType | Path | str | Callable[..., Any]) -> str:
    """Hash what makes a corpus, for its header: another hash means that it is stale.

    Parameters
    ----------
    *makers
        A module or file stands for its content, a folder for the names and sizes of the files
        below it, a function for what decides its result (`source_of`), a string for itself.
    """
    digest = hashlib.sha256()
    for maker in makers:
        if isinstance(maker, ModuleType):
            maker = Path(str(maker.__file__))
        elif callable(maker):
            maker = source_of(maker)
        if isinstance(maker, str):
            parts = [maker.encode()]
        elif maker.is_dir():
            files = sorted(path for path in maker.rglob("*") if path.is_file())
            parts = [
                f"{path.relative_to(maker).as_posix()} {path.stat().st_size}\n".encode()
                for path in files
            ]
        else:
            parts = [maker.read_bytes()]
        digest.update(hashlib.sha256(b"".join(parts)).digest())
    return digest.hexdigest()


def source_of(function: Callable) -> str:
    """Give the text of a function and of what it names in its own module: what decides its result.

    Line numbers are no part of it: it stays the same when something else in the file is edited.
    """
    texts: dict[str, str] = {}
    todo: list[Any] = [function]
    while todo:
        current = inspect.unwrap(todo.pop())
        texts[current.__qualname__] = inspect.getsource(current)
        if not isinstance(current, FunctionType):
            continue
        for name in _names(current.__code__):
            value = current.__globals__.get(name)
            if inspect.isroutine(value) or inspect.isclass(value):
                if value.__module__ == current.__module__ and value.__qualname__ not in texts:
                    todo.append(value)
            elif isinstance(value, str | int | float | tuple | list | dict | set | frozenset):
                texts[name] = repr(value)
    return "\n".join(texts[name] for name in sorted(texts))


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(constant) for constant in inner))
