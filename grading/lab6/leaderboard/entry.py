"""One student's entry, from files to a score; and how Gradescope shows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.lab6.leaderboard.pieces import MIDI, Reader, midi_files
from grading.lab6.leaderboard.scores import Board, Score
from labs.lab6_language_models.data import load_splits
from labs.lab6_language_models.measure import RUN, Excerpt
from toolkit.music.pieces import piece_corpus

DATA = "chorales"  # what Gradescope's containers compare with


@dataclass(frozen=True)
class Entry:
    """What one student handed in.

    Attributes
    ----------
    excerpts, score : of the pieces that count; None without one
    problems : a sentence for each file that does not
    """

    excerpts: list[Excerpt]
    score: Score | None
    problems: list[str]


def enter(path: Path, board: Board, reader: Reader) -> Entry:
    """Read and measure the pieces in a student's folder, zip or file."""
    files, refused = midi_files(path)
    if not files and not refused:
        return Entry([], None, [f"There is no {' or '.join(MIDI)} file."])
    excerpts, problems = reader.read(files)
    score = board.score(excerpts) if excerpts else None
    return Entry(excerpts, score, [*refused, *problems])


# On Gradescope


def leaderboard(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Give the entries of Gradescope's leaderboard, and what its output says of the pieces.

    Neither, where no piece was handed in; no entries for copies.

    Parameters
    ----------
    folder : of what was handed in
    """
    files, problems = midi_files(folder)
    if not files and not problems:
        return [], []
    board = Board(DATA)
    reader = Reader(board.settings)
    try:
        entry = enter(folder, board, reader)
    finally:
        reader.close()
    score = entry.score
    if score is None:
        return [], ["Not on the leaderboard: none of the pieces counts.", *entry.problems]
    if score.is_copy:
        worst = score.worst
        copied = f"{score.copied:.1%} of the runs of {RUN} notes stand in a training piece"
        longest = f"{worst.longest} notes of {worst.name} are those of {worst.source}"
        why = f"Not on the leaderboard: {copied}, and {score.limit:.1%} is the limit; {longest}."
        return [], [why, *entry.problems]
    lines = [{"name": "distance", "value": round(score.distance.value, 4), "order": "asc"}]
    lines += [{"name": name, "value": round(one.value, 4)} for name, one in score.means.items()]
    lines += [
        {"name": "runs copied", "value": round(score.copied, 4), "order": "asc"},
        {"name": "ends", "value": round(score.ends, 4)},
        {"name": "pieces", "value": len(score.pieces)},
    ]
    return lines, entry.problems


def data_files() -> list[Path]:
    """The prepared pieces that `leaderboard` compares with, so that no container prepares them."""
    tokens = (piece_corpus(DATA).tokens, load_splits(DATA)["train"].tokens)
    folders = [Path(str(getattr(one, "filename"))).parent for one in tokens]  # noqa: B009
    return [path for folder in folders for path in sorted(folder.iterdir())]
