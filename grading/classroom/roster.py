"""A class's roster: a CSV with a heading, one student a row, in whatever columns the school has."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from grading.classroom.submissions import Person
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.plain import printable

# headings in lower case, - and _ as blanks; of several the first counts
NAMES = ("name", "full name", "student", "student name", "display name")
FIRST_NAMES = ("first name", "firstname", "given name")
LAST_NAMES = ("last name", "lastname", "surname", "family name")
SIDS = ("sid", "student id", "student number", "id number", "sis user id", "identifier", "id")
EMAILS = ("email", "e mail", "email address", "e mail address", "mail")


@dataclass(frozen=True)
class Roster:
    """Who is on it, and for each all that a submission may call them."""

    people: tuple[Person, ...]
    words: tuple[frozenset[str], ...]

    def find(self, person: Person) -> set[int]:
        """Rows that somebody who handed in may be in.

        A row is meant if its name or one of its cells is their id, name or e-mail address, or the
        end of a folder's name as GitHub Classroom makes it: `lab3-octocat`.
        """
        wanted = {alike(word) for word in (person.id, person.name, person.email) if word}
        end = alike(person.id)
        return {
            number
            for number, words in enumerate(self.words)
            if words & wanted or any(end.endswith(f"-{word}") for word in words)
        }

    def filled(self, person: Person, doubled: Collection[int] = ()) -> Person:
        """Somebody who handed in, with what their row says where it was open.

        Nothing is filled in if several rows may be meant, or one of those that several submissions
        mean: nobody's ID stands twice in a gradebook.
        """
        rows = self.find(person)
        if len(rows) != 1 or rows & set(doubled):
            return person
        row = self.people[rows.pop()]
        known = {key: getattr(person, key) or getattr(row, key) for key in ("name", "email", "sid")}
        return replace(person, **known)


def alike(word: str) -> str:
    """Spell a word so that case, and how accents are encoded, make no difference."""
    return printable(word).strip().casefold()


def on_row(headings: list[str], row: list[str]) -> Person:
    """Whom a row is about."""
    keys = (heading.strip().lower().replace("-", " ").replace("_", " ") for heading in headings)
    cells = {key: cell.strip() for key, cell in zip(keys, row, strict=False)}

    def first(*names: str) -> str:
        return next((cells[name] for name in names if cells.get(name)), "")

    name = first(*NAMES) or f"{first(*FIRST_NAMES)} {first(*LAST_NAMES)}".strip()
    email, sid = first(*EMAILS), first(*SIDS)
    return Person(sid or email or name or first(*cells) or row[0], name, email, sid)


def read_roster(path: Path) -> Roster:
    """Read a roster; what parts its columns, `,` `;` or a tab, is what its heading has most of.

    Raises
    ------
    EtudeError
        If there is no such file, or it is no CSV with a heading and a row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").lstrip("\n")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        headings, *rows = [row for row in reader if any(map(str.strip, row))] or [[]]
    except OSError as error:
        raise EtudeError(f"ROSTER={shown(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EtudeError(f"ROSTER={shown(path)} is not a CSV file in UTF-8: export it so") from None
    except csv.Error as error:
        raise EtudeError(
            f"ROSTER={shown(path)} is not a CSV file ({error}): is a quotation mark left open?"
        ) from None
    if not rows:
        raise EtudeError(f"ROSTER={shown(path)} needs a heading and a row for each student")
    people = tuple(on_row(headings, row) for row in rows)
    words = (
        frozenset(alike(word) for word in (*row, person.name) if word.strip())
        for row, person in zip(rows, people, strict=True)
    )
    return Roster(people, tuple(words))
