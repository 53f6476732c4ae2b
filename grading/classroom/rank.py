"""`make rank SUBMISSIONS=folder`: rank what the models of a class wrote.

Each student hands in up to 20 MIDI files: a folder, a zip, or one file.
"""

import argparse
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grading.classroom.ranking import Ranked, Ranking, rank_class
from grading.classroom.ranking_page import ranking_csv, ranking_html
from grading.core.results import write_json
from grading.lab6.leaderboard.scores import SETTINGS
from toolkit.console import heading, next_step, progress, run_command, say, table, warn
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.pieces import to_sequence
from toolkit.music.sound import render_wav, to_mp3
from toolkit.paths import RUNS, make_folder, shown, write_whole
from toolkit.plain import plain

SHOWN = 10  # of each, on the console


def write_ranking(ranking: Ranking, folder: Path) -> None:
    """Write the page with its sounds, the table and all that was measured."""
    make_folder(folder)
    write_sounds(ranking, folder)
    write_whole(folder / "ranking.csv", ranking_csv(ranking))
    write_json(folder / "ranking.json", ranking.as_json())
    write_whole(folder / "ranking.html", ranking_html(ranking))


def write_sounds(ranking: Ranking, folder: Path) -> None:
    """Render one piece of each student, as it was measured: on the grid, the bars that count."""
    shutil.rmtree(folder / "sounds", ignore_errors=True)
    heard = [one for one in ranking.entries if one.played]
    with progress("sounds", len(heard)) as count, ThreadPoolExecutor(available_cores()) as pool:

        def render(numbered: tuple[int, Ranked]) -> None:
            number, one = numbered
            assert one.played is not None
            piece = grid.to_piece(one.played.rows, ranking.settings.tempo)
            try:
                with tempfile.TemporaryDirectory() as scratch:
                    wav = Path(scratch) / "piece.wav"
                    render_wav(to_sequence(piece), wav, ranking.settings.instrument)
                    one.sound = f"sounds/{number}.mp3"
                    write_whole(folder / one.sound, to_mp3(wav))
            except EtudeError as error:
                warn(f"no sound for {one.student}: {error}")

        for _ in pool.map(render, enumerate(heard, start=1)):
            count()


def show(ranking: Ranking) -> None:
    """Print what the instructor should know at once."""
    rows = [
        [place, one.student, len(one.score.pieces), one.score.distance.value, one.score.copied]
        for place, one in enumerate(ranking.ranked[:SHOWN], start=1)
        if one.score
    ]
    table("rank", "student", "pieces", "distance", "runs copied", rows=rows)
    for one in ranking.copies[:SHOWN]:
        assert one.score is not None
        worst = one.score.worst
        warn(f"{one.student}: {worst.longest} notes of {plain(worst.name)} are {worst.source}'s")
    problems = [(one.student, why) for one in ranking.entries for why in one.entry.problems]
    for student, why in problems[:SHOWN]:
        warn(f"{student}: {why}")
    if len(problems) > SHOWN:
        warn(f"{len(problems) - SHOWN} more like these are on the page")
    if ranking.left_out:
        some = ", ".join(ranking.left_out[:SHOWN])
        warn(f"{len(ranking.left_out)} neither MIDI nor zip, left out: {some}")


def results_folder(submissions: Path) -> Path:
    """Where a ranking goes unless told."""
    return RUNS / "rank" / re.sub(r"[^\w.-]+", "-", submissions.resolve().name)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make rank", description=__doc__)
    parser.add_argument("--submissions", metavar="FOLDER")
    parser.add_argument("--data", default="chorales", help=", ".join(SETTINGS))
    parser.add_argument("--results", metavar="FOLDER", help="where the ranking goes")
    options = parser.parse_args()
    if not options.submissions:
        raise EtudeError("whose pieces? make rank SUBMISSIONS=folder")
    submissions = Path(options.submissions)
    folder = Path(options.results) if options.results else results_folder(submissions)
    if folder.resolve().is_relative_to(submissions.resolve()):
        raise EtudeError(f"RESULTS={shown(folder)} lies in what was handed in: name another folder")
    heading("Lab 6  what the models wrote")
    ranking = rank_class(submissions, options.data)
    write_ranking(ranking, folder)
    show(ranking)
    say(f"{shown(folder)}: ranking.csv, ranking.json, sounds/")
    next_step("look at the ranking:", folder / "ranking.html")


if __name__ == "__main__":
    run_command(main)
