"""A class's roster: a CSV with a heading, one student a row, in whatever columns the school has."""

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from grading.submissions import Person
from toolkit.errors import EtudeError
from toolkit.paths import shown

NAMES = ("name", "full name", "student", "student name", "display name")


@dataclass(frozen=True)
class Roster:
    """Rows of the roster, by all that a submission may call their student."""

    rows: tuple[tuple[str, ...], ...]
    headings: tuple[str, ...]

    def find(self, people: tuple[Person, ...], student: str) -> set[int]:
        """Rows that a submission's students are in.

        A row is meant if one of its cells is somebody's id, name or e-mail address, or the end of
        a folder's name as GitHub Classroom makes it: `lab3-octocat`.
        """
        words = {student} | {word for one in people for word in (one.id, one.name, one.email)}
        wanted = {alike(word) for word in words if word}
        ends = alike(student)
        return {
            number
            for number, row in enumerate(self.rows)
            if any(cell in wanted or ends.endswith(f"-{cell}") for cell in map(alike, row) if cell)
        }

    def name(self, number: int) -> str:
        """What a row's student is called."""
        for heading, cell in zip(self.headings, self.rows[number], strict=False):
            if heading.strip().lower() in NAMES and cell.strip():
                return cell.strip()
        return next((cell.strip() for cell in self.rows[number] if cell.strip()), "")


def alike(word: str) -> str:
    """Spell a word so that case, and how accents are encoded, make no difference."""
    return unicodedata.normalize("NFC", word).strip().casefold()


def read_roster(path: Path) -> Roster:
    """Read a roster.

    Raises
    ------
    EtudeError
        If there is no such file, or it is no CSV with a heading and a row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [tuple(row) for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    except OSError as error:
        raise EtudeError(f"ROSTER={shown(path)} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise EtudeError(f"ROSTER={shown(path)} is not a CSV file in UTF-8: export it so") from None
    if len(lines) < 2:
        raise EtudeError(f"ROSTER={shown(path)} needs a heading and a row for each student")
    return Roster(tuple(lines[1:]), lines[0])
