"""Bach's four-part chorales from music21's corpus: which there are, loading, splits.

The set is every score by Bach in the corpus that has exactly four parts: 365 of 410, rather than
the 371 of `music21.corpus.chorales.Iterator`, which counts pieces twice that Riemenschneider
printed twice and includes some with horns and trumpets.
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import EtudeError

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


def score_names() -> list[str]:
    """List Bach's scores in the corpus, such as "bwv112.5", in alphabetical order."""
    return sorted(_score_paths())


def load_score(name: str) -> "Score":
    """Load one of Bach's scores as it is printed.

    Raises
    ------
    EtudeError
        If there is no such score.
    """
    import music21

    paths = _score_paths()
    if name not in paths:
        raise EtudeError(f"there is no score {name} by Bach in music21's corpus: try bwv269")
    score: Any = music21.converter.parseFile(paths[name], forceSource=True, storePickle=False)
    return score


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

    score: Any = load_score(name)
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


def _score_paths() -> dict[str, Path]:
    import music21

    # a few are there in Kern as well, and the corpus has analyses without notes
    paths = (Path(path) for path in music21.corpus.getComposer("bach"))
    return {path.stem: path for path in paths if path.suffix in (".mxl", ".xml")}
