"""Rank what a class's models wrote: by closeness to the training set, copies apart.

Each student hands in up to 20 MIDI files: a folder, a zip, or one file.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grading.classroom.submissions import Person, by_student
from grading.core.files import Files
from grading.lab6.leaderboard.pieces import MIDI, MOST, Reader, midi_files
from grading.lab6.leaderboard.scores import Board, Score
from labs.lab6_language_models.measure import Excerpt
from labs.lab6_language_models.settings import Settings
from toolkit.console import progress
from toolkit.plain import printable


@dataclass
class Entry:
    """What one student handed in.

    Attributes
    ----------
    score : None if no piece counts
    problems : a sentence for each file that does not count
    played : the piece that is there to be heard: of copies the one that copied most
    sound : the path of its sound, from the page; "" without
    """

    student: str
    people: tuple[Person, ...]
    score: Score | None
    problems: list[str]
    played: Excerpt | None = field(default=None, repr=False)
    sound: str = ""


@dataclass(frozen=True)
class Ranking:
    """A class's entries, the closest first, and real pieces to compare with."""

    data: str
    settings: Settings
    ranked: list[Entry]
    copies: list[Entry]
    without: list[Entry]  # no piece of theirs counts
    unseen: Score  # of real pieces that no model has seen, with bounds for as many as are handed in
    training: dict[str, float]  # means
    left_out: list[str]
    isolation: str

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order of the page."""
        return [*self.ranked, *self.copies, *self.without]

    def as_json(self) -> dict[str, Any]:
        """All that was measured, as plain values."""
        return {
            "data": self.data,
            "bars": {"left out first": self.settings.primer_bars, "at most": self.settings.bars},
            "training set": self.training,
            "real, held out": asdict(self.unseen),
            "entries": [
                {
                    "rank": self.ranked.index(one) + 1 if one in self.ranked else None,
                    "student": one.student,
                    "people": [asdict(person) for person in one.people],
                    "score": asdict(one.score) if one.score else None,
                    "problems": one.problems,
                }
                for one in self.entries
            ],
            "left out": self.left_out,
            "isolation": self.isolation,
        }


def rank_class(submissions: Path, data: str) -> Ranking:
    """Read and measure what a class handed in.

    Raises
    ------
    EtudeError
        If there is nothing, or the data set that it is compared with is not here.
    """
    names, people, left_out = by_student(submissions, MIDI)
    board = Board(data)
    reader = Reader(board.settings)
    entries = []
    try:
        with progress("reading and measuring", len(names)) as count:
            for student, files in names.items():
                known = printable(student)
                who = people.get(known, [Person(known)])
                entries.append(enter(student, who, [submissions / f for f in files], board, reader))
                count()
        isolation = reader.zygote.isolation.text
    finally:
        reader.close()
    return Ranking(
        data=data,
        settings=board.settings,
        ranked=sorted(
            (one for one in entries if one.score and not one.score.is_copy),
            key=lambda one: (one.score.closeness.value, one.student) if one.score else (),
        ),
        copies=sorted(
            (one for one in entries if one.score and one.score.is_copy),
            key=lambda one: (-one.score.copied, one.student) if one.score else (),
        ),
        without=[one for one in entries if not one.score],
        unseen=board.score(board.unseen, MOST),
        training=board.training_means(),
        left_out=left_out,
        isolation=isolation,
    )


def enter(
    student: str, people: Sequence[Person], paths: Sequence[Path], board: Board, reader: Reader
) -> Entry:
    """Read and measure one student's pieces."""
    files: Files = {}
    refused: list[str] = []
    for path in paths:
        found, problems = midi_files(path)
        files |= found
        refused += problems
    excerpts, problems = reader.read(files)
    if not files and not refused:
        problems = [f"there is no {' or '.join(MIDI)} file"]
    score = board.score(excerpts) if excerpts else None
    played = None
    if score:
        chosen = score.worst.name if score.is_copy else excerpts[0].name
        played = next(one for one in excerpts if one.name == chosen)
    name = "+".join(sorted(person.id for person in people))
    return Entry(name, tuple(people), score, [*refused, *problems], played)
