"""Text of somebody else's, made safe to show: the one way into a message, a page or a table.

A file that was handed in brings its names, its notes, what Python says of it and what it raises.
Where such text comes in, it goes through here once; what shows it later need not think of it.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import islice

MESSAGE = 500  # characters of a message that quotes a submission
MAX_PATH = 1_000  # characters of a path
KEPT = "\n\t\u200c\u200d"  # the two joiners stand in Persian and Indian names
UNSEEN = ("Cc", "Cf", "Cs", "Co")  # control and format marks, halves of characters, private ones
LETTER = 4  # characters at most that NFC makes one of
FEW = 5


def plain(text: str, limit: int = MESSAGE) -> str:
    """Text made safe to show: bounded, no control or bidirectional marks.

    However long `text` is, only what is shown of it costs time.
    """
    shown = "".join(
        character if character in KEPT or unicodedata.category(character) not in UNSEEN else "�"
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[:limit] + "…"


def printable(name: str, limit: int = MAX_PATH) -> str:
    """A name as one line of text that is safe to show, also where it is none.

    However its accents were encoded, it comes out encoded in one way (NFC).
    """
    whole = name[: LETTER * (limit + 1)].encode("utf-8", "backslashreplace").decode()
    return plain(re.sub(r"\s", " ", unicodedata.normalize("NFC", whole)), limit)


def few(notes: Iterable[str], total: int) -> tuple[str, ...]:
    """The first of `total` notes, and how many more there are."""
    first = tuple(islice(notes, FEW))
    return (*first, f"and {total - FEW:,} more like these") if total > FEW else first
