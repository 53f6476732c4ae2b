"""Rank what a class's models wrote: by distance to the training set, copies apart.

Each student hands in up to 20 MIDI files: a folder, a zip, or one file.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grading.classroom.submissions import Person, by_student
from grading.lab6.leaderboard.entry import Entry, enter
from grading.lab6.leaderboard.pieces import MIDI, MOST, Reader
from grading.lab6.leaderboard.scores import Board, Score
from labs.lab6_language_models.measure import Excerpt
from labs.lab6_language_models.settings import Settings
from toolkit.console import progress
from toolkit.plain import printable


@dataclass
class Ranked:
    """A student's entry in the ranking.

    Attributes
    ----------
    sound : where the piece that is played can be heard, from the page; "" without
    """

    student: str
    people: tuple[Person, ...]
    entry: Entry
    sound: str = ""

    @property
    def score(self) -> Score | None:
        """What the pieces measure."""
        return self.entry.score

    @property
    def played(self) -> Excerpt | None:
        """The first piece; of copies the one with the longest copied run."""
        if self.score and self.score.is_copy:
            return self.entry.excerpts[self.score.pieces.index(self.score.worst)]
        return self.entry.excerpts[0] if self.score else None


@dataclass(frozen=True)
class Ranking:
    """A class's entries, the closest first, and real pieces to compare with."""

    data: str
    settings: Settings
    ranked: list[Ranked]
    copies: list[Ranked]
    without: list[Ranked]  # no piece of theirs counts
    unseen: Score  # of real pieces that no model has seen, with bounds for as many as are handed in
    training: dict[str, float]  # means
    left_out: list[str]
    isolation: str

    @property
    def entries(self) -> list[Ranked]:
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
                    "problems": one.entry.problems,
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
                who = people.get(printable(student), [Person(printable(student))])
                name = "+".join(sorted(person.id for person in who))
                if len(files) > 1:
                    both = " and ".join(map(printable, sorted(files)))
                    entry = Entry([], None, [f"two files: {both}; keep the one that counts"])
                else:
                    entry = enter(submissions / files[0], board, reader)
                entries.append(Ranked(name, tuple(who), entry))
                count()
        isolation = reader.zygote.isolation.text
    finally:
        reader.close()
    return Ranking(
        data=data,
        settings=board.settings,
        ranked=sorted(
            (one for one in entries if one.score and not one.score.is_copy),
            key=lambda one: (one.score.distance.value, one.student) if one.score else (),
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
