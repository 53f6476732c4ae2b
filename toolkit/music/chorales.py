"""Bach's four-part chorales from music21's corpus: which there are, loading, splits, tokens.

The set is every score by Bach in the corpus that has exactly four parts: 365 of 410, rather than
the 371 of `music21.corpus.chorales.Iterator`, which counts pieces twice that Riemenschneider
printed twice and includes some with horns and trumpets.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit import console
from toolkit.data.corpus import Corpus, fingerprint, is_stale, open_corpus, write_corpus
from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.paths import CACHE

if TYPE_CHECKING:
    from music21.stream import Score

VOICES = 4

# Works whose chorales are the same music under two numbers, transposed or not, or share more than
# a fifth of their six-chord passages (test_chorales.py measures it): one side of a split.
TWINS = {
    10: (323, 324),
    16: (419,),
    62: (274,),
    154: (359,),
    158: (279,),
    176: (280,),
    177: (117,),
    197: (398,),
    244: (271,),
    253: (414,),
}
_TWIN_OF = {twin: work for work, twins in TWINS.items() for twin in twins}


class Spelling(Protocol):
    """A lab's functions, picklable: child processes spell chorales with them."""

    @property
    def score_to_tokens(self) -> Callable[["Score"], list[str]]: ...


def score_names() -> list[str]:
    """List Bach's scores in the corpus, such as "bwv112.5", in alphabetical order."""
    return sorted(_score_paths())


def load_chorale(name: str) -> "Score | None":
    """Load a chorale with its repeats written out; None if the score is not in four parts.

    Raises
    ------
    EtudeError
        If there is no such score.
    music21.exceptions21.Music21Exception
        If its repeats contradict each other.
    """
    import music21

    paths = _score_paths()
    if name not in paths:
        raise EtudeError(f"there is no score {name} by Bach in music21's corpus: try bwv269")
    score: Any = music21.converter.parseFile(paths[name], forceSource=True, storePickle=False)
    if len(score.parts) != VOICES:
        return None
    marks = (music21.repeat.RepeatMark, music21.spanner.RepeatBracket)
    # Expanding costs twice as much as parsing, and few chorales have repeats.
    return score.expandRepeats() if score.recurse().getElementsByClass(marks) else score


def split_of(name: str) -> str:
    """Say in which split a chorale is: "train" (80 %), "validation" or "test" (10 % each).

    A hash of the work's number decides, so that the movements and variants of one work, and works
    that share their music, stay together whatever else is in the corpus.
    """
    match = re.match(r"bwv(\d+)", name)
    if not match:
        raise EtudeError(f"{name} is not named after its number in Bach's works, like bwv269")
    work = int(match[1])
    tenth = hashlib.sha256(str(_TWIN_OF.get(work, work)).encode()).digest()[0] % 10
    return ("validation", "test")[tenth - 8] if tenth >= 8 else "train"


def chorale_corpus(
    spelling: Spelling, names: Sequence[str] | None = None, folder: Path | None = None
) -> Corpus:
    """Open the chorales as tokens, after making them if that has not been done with this code.

    Parameters
    ----------
    spelling
        Has `score_to_tokens`.
    names
        Which scores; by default all of `score_names()`.
    folder
        The corpus's own folder; by default one in the cache, named after the code that made it.

    Returns
    -------
    Corpus
        One piece a chorale, in alphabetical order; the header's "vocabulary" spells its ids, and
        its "skipped" gives the reason for each score that is not there.

    Raises
    ------
    EtudeError
        If `score_to_tokens` fails on most chorales.
    """
    names = score_names() if names is None else list(names)
    made_by = fingerprint(
        Path(__file__), source_of(spelling.score_to_tokens), version("music21"), " ".join(names)
    )
    folder = folder or CACHE / "lab3" / f"chorales-{made_by[:12]}"
    expected = {"source": "music21's corpus, Bach's four-part chorales", "made_by": made_by}
    if is_stale(folder, expected):
        pieces, skipped = _spell_all(spelling, names)
        vocabulary = sorted({token for tokens in pieces.values() for token in tokens})
        ids = {token: number for number, token in enumerate(vocabulary)}
        header = {
            **expected,
            "encoding": "NOTE_p …, DUR_q: chords on every onset and end, in quarter notes",
            "vocabulary": vocabulary,
            "names": list(pieces),
            "split": [split_of(name) for name in pieces],
            "skipped": skipped,
        }
        arrays = (np.array([ids[t] for t in tokens], np.uint16) for tokens in pieces.values())
        write_corpus(folder, arrays, header)
    return open_corpus(folder, expected)


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


def _score_paths() -> dict[str, Path]:
    import music21

    # a few are there in Kern as well, and the corpus has analyses without notes
    paths = (Path(path) for path in music21.corpus.getComposer("bach"))
    return {path.stem: path for path in paths if path.suffix in (".mxl", ".xml")}


def _spell_all(
    spelling: Spelling, names: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Spell chorales in child processes; returns tokens by name, and why others are missing."""
    results, failures = map_items(
        _spell, names, "Bach's chorales", initializer=_start, initargs=(spelling,)
    )
    pieces = {name: tokens for name, tokens in zip(names, results, strict=True) if tokens}
    if len(failures) > len(pieces):
        name, reason = next(iter(failures.items()))
        raise EtudeError(
            f"score_to_tokens failed on {len(failures)} chorales, first on {name}: {reason}"
        )
    others = [name for name in names if name not in pieces and name not in failures]
    if others:
        rest = "1 score is" if len(others) == 1 else f"{len(others)} scores are"
        console.say(f"{len(pieces)} chorales; {rest} not in four parts")
    reasons = dict.fromkeys(others, f"not in {VOICES} parts")
    return pieces, {str(name): reason for name, reason in failures.items()} | reasons


_spelling: Spelling


def _start(spelling: Spelling) -> None:
    global _spelling
    _spelling = spelling


def _spell(name: str) -> list[str]:
    """Spell one chorale; an empty list if the score is not in four parts."""
    score = load_chorale(name)
    if score is None:
        return []
    tokens = _spelling.score_to_tokens(score)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise TypeError(f"score_to_tokens returned {type(tokens).__name__}, not a list of str")
    return tokens
