"""`make class SUBMISSIONS=folder LAB=3`: grade a whole class, then write its table and its page."""

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path
from statistics import mean

from grading.classroom.changes import changes, class_record
from grading.classroom.page import Overview, class_csv, class_html, to_look_at
from grading.classroom.roster import Roster, read_roster
from grading.classroom.run import Classroom, Result, alone_in, writing
from grading.classroom.similarity import similar_pairs
from grading.classroom.submissions import Handed, Person, find_submissions
from grading.core.results import stamp, write_json
from grading.core.secret import warn_without_secret
from labs.course.catalogue import Lab, load_lab
from toolkit.console import heading, next_step, run_command, say, warn
from toolkit.console import stamp as show_stamp
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, shown, write_whole
from toolkit.plain import plain

SHOWN = 10  # of those who need a look, on the console


def grade_class(
    lab: Lab,
    submissions: Path,
    folder: Path,
    *,
    roster: Path | None = None,
    cluster: str | None = None,
    regrade: bool = False,
) -> list[Result]:
    """Grade what is not graded yet, write `class.csv` and `class.html`, return all results.

    Raises
    ------
    EtudeError
        If there is nothing to grade, or something cannot be read or written.
    """
    warn_without_secret()
    register = read_roster(roster) if roster else None
    if folder.resolve().is_relative_to(submissions.resolve()):
        raise EtudeError(f"RESULTS={shown(folder)} is inside SUBMISSIONS: name another folder")
    handed, left_out = find_submissions(submissions, lab)
    absent, unknown, doubled = compare(register, handed)
    if roster and len(unknown) == len(handed):
        raise EtudeError(
            f"ROSTER={shown(roster)} names nobody who handed in: one of its columns must hold what "
            f"submissions are called, such as {handed[0].student}"
        )
    with alone_in(folder):
        room = Classroom(lab, folder)
        room.claim(submissions, regrade)
        if regrade:
            room.regrade()
        todo = [one for one in handed if not room.done(one)]
        before = (
            f", {len(handed) - len(todo)} of them graded before" if len(todo) < len(handed) else ""
        )
        say(f"{len(handed)} submission{'s' * (len(handed) != 1)}{before}")
        room.grade(todo, cluster)
        results = [result for one in handed if (result := room.read(one.student))]
        if register:
            for result in results:
                people = [Person(**person) for person in result["people"]]
                filled = [register.filled(person, doubled) for person in people]
                result["people"] = list(map(asdict, filled))
        write_overview(room, results, absent, unknown, list(doubled.values()), left_out)
    return results


def compare(
    roster: Roster | None, handed: list[Handed]
) -> tuple[list[Person], list[str], dict[int, str]]:
    """Who is on the roster and handed in nothing, who is not on it, which rows several mean."""
    if roster is None:
        return [], [], {}
    meant: dict[int, list[str]] = {row: [] for row in range(len(roster.people))}
    unknown = []
    for one in handed:
        rows = {row for person in one.people for row in roster.find(person)}
        for row in rows:
            meant[row].append(one.student)
        if not rows:
            unknown.append(one.student)
    absent = [roster.people[row] for row, students in meant.items() if not students]
    doubled = {
        row: f"{plain(roster.people[row].name or roster.people[row].id)} by {' and '.join(names)}"
        for row, names in meant.items()
        if len(names) > 1
    }
    return absent, unknown, doubled


def write_overview(
    room: Classroom,
    results: list[Result],
    absent: list[Person],
    unknown: list[str],
    doubled: list[str],
    left_out: list[str],
) -> None:
    """Write the class's record, table and page."""
    try:
        earlier = json.loads((room.folder / "class.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = None
    record = class_record(results, earlier)
    moved, unchanged = changes(record)
    overview = Overview(
        links={one["student"]: f"students/{room.path(one['student']).name}" for one in results},
        changes=moved,
        unchanged=unchanged,
        since=record["before"]["when"] if record["before"] else None,
        pairs=similar_pairs({one["student"]: one["prints"] for one in results}),
        absent=[plain(person.name or person.id) for person in absent],
        unknown=unknown,
        doubled=doubled,
        left_out=left_out,
    )
    with writing(room.folder):
        write_whole(room.folder / "class.csv", class_csv(room.lab, results, absent))
        write_whole(room.folder / "class.html", class_html(room.lab, results, overview))
        write_json(room.folder / "class.json", record)
    show(results, overview)


def show(results: list[Result], overview: Overview) -> None:
    """Print what the instructor should know at once."""
    average = mean(result["earned"] for result in results)
    say(f"mean {average:.1f} of {results[0]['possible']:g} points")
    look = [row for row in to_look_at(results) if row[1] != "note"]
    for student, what, why in look[:SHOWN]:
        warn(f"{student}: {what}: {why}")
    if len(look) > SHOWN:
        warn(f"{len(look) - SHOWN} more like these are on the page")
    for names, what in (
        (overview.absent, "on the roster handed in nothing"),
        (overview.unknown, "handed in, but not on the roster"),
        (overview.doubled, "on the roster match several submissions, and get points from none"),
        (overview.left_out, "no submissions, left out"),
    ):
        if names:
            warn(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{' …' * (len(names) > SHOWN)}")
    if overview.since:
        say(f"since {overview.since}: {len(overview.changes)} with changed points")


def results_folder(lab: Lab, submissions: Path) -> Path:
    """Where a class's results go unless told."""
    name = re.sub(r"[^\w.-]+", "-", submissions.resolve().name)
    return RUNS / "class" / f"lab{lab.number}-{name}"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make class", description=__doc__)
    parser.add_argument("--submissions", metavar="FOLDER")
    parser.add_argument("--lab", metavar="N")
    parser.add_argument("--results", metavar="FOLDER", help="where the results go")
    parser.add_argument("--roster", metavar="FILE", help="a CSV of who should have handed in")
    parser.add_argument("--cluster", metavar="ADDRESS", help="tcp://… of a Dask scheduler")
    parser.add_argument("--regrade", metavar="1", help="grade all again")
    options = parser.parse_args()
    if not options.submissions or not options.lab:
        raise EtudeError("whose work, and which lab? make class SUBMISSIONS=folder LAB=3")
    lab, submissions = load_lab(options.lab), Path(options.submissions)
    folder = Path(options.results) if options.results else results_folder(lab, submissions)
    show_stamp(stamp(lab))
    heading(f"Lab {lab.number}  {lab.title}")
    grade_class(
        lab,
        submissions,
        folder,
        roster=Path(options.roster) if options.roster else None,
        cluster=options.cluster,
        regrade=bool(options.regrade),
    )
    say(f"{shown(folder)}: class.csv, and a JSON for each student in students/")
    next_step("look at the class:", folder / "class.html")


if __name__ == "__main__":
    run_command(main)
