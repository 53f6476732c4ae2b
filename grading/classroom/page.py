"""A class at a glance: `class.csv` for the gradebook and `class.html` to look at."""

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any
from urllib.parse import quote

from grading.classroom.changes import Change
from grading.classroom.run import broken, timed_out
from grading.classroom.similarity import Pair
from grading.classroom.submissions import Person
from labs.course.catalogue import Lab
from toolkit.report.page import render, today

TEMPLATES = Path(__file__).parent / "templates"
CLUSTERS = 60  # messages listed
PAIRS = 40
BINS = 20  # of the distribution of scores
WHO = {"student": "id", "name": "name", "email": "email", "sid": "sid"}  # columns, of a Person
# at a cell's start, or where a spreadsheet that parts cells at ; or a tab starts one; before the
# sign may stand what it passes over: blanks, quotes, marks that nobody sees
FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[^\w;\t\r\n=＝+＋@＠－-]*[=＝+＋@＠－-])")

Result = dict[str, Any]


@dataclass(frozen=True)
class Overview:
    """All that the page tells beside the results themselves."""

    links: dict[str, str]  # from a student to the path of the JSON
    changes: list[Change]
    unchanged: int  # graded again, with the same points
    since: str | None  # when the run was that changes are counted from
    pairs: list[Pair]
    absent: list[str]  # on the roster, nothing handed in
    unknown: list[str]  # handed in, not on the roster
    doubled: list[str]  # on the roster, meant by several submissions
    left_out: list[str]  # files that are no submission


def guarded(cell: Any) -> Any:
    """A cell of whose text no spreadsheet takes a part for a formula; a number stays one."""
    return FORMULA.sub("'", cell) if isinstance(cell, str) else cell


def class_csv(lab: Lab, results: list[Result], absent: list[Person]) -> str:
    """A row for each student, or for each of a group."""
    out = io.StringIO()
    writer = csv.writer(out)
    ids = [task.id for task in lab.tasks]
    writer.writerow([*WHO, "points", "possible", *ids, "remark", "file", "isolation"])
    rows = [
        [
            *(person.get(key, "") for key in WHO.values()),
            round(result["earned"], 2),
            result["possible"],
            *(round(task["earned"], 2) for task in result["tasks"]),
            remark(result),
            result["submission"],
            result["isolation"],
        ]
        for result in results
        for person in result["people"]
    ]
    blank = [""] * len(ids)
    rows += [
        [one.id, one.name, one.email, one.sid, 0, 100, *blank, "nothing handed in", "", ""]
        for one in absent
    ]
    writer.writerows(map(guarded, row) for row in rows)
    return out.getvalue()


def remark(result: Result) -> str:
    """What an instructor should know beside the points."""
    if broken(result):
        return "an error in the grader: grade again"
    if result["problem"]:
        return f"not graded: {result['problem']}"
    return "ran out of time or died" if timed_out(result) else ""


def class_html(lab: Lab, results: list[Result], overview: Overview) -> str:
    """The page."""
    graded = [result["earned"] for result in results]
    possible = results[0]["possible"] if results else 0
    return render(
        "class.html",
        TEMPLATES,
        lab=lab,
        results=results,
        overview=overview,
        possible=possible,
        mean=mean(graded) if graded else 0.0,
        median=median(graded) if graded else 0.0,
        full=sum(points > possible - 1e-6 for points in graded),
        bars=histogram(graded, possible),
        tasks=difficulty(lab, results),
        clusters=clusters(results),
        num_clusters=CLUSTERS,
        num_pairs=PAIRS,
        look=to_look_at(results),
        isolation=levels(results),
        link={student: quote(path) for student, path in overview.links.items()},
        stamps=sorted({tuple(result["stamp"].items()) for result in results}),
        seconds=sum(result["seconds"] for result in results),
        written=today(),
    )


def histogram(points: list[float], possible: float) -> list[dict[str, Any]]:
    """How many have how much: a bar each twentieth of the points, full marks in the last."""
    counts = [0] * BINS
    for value in points:
        counts[min(int(BINS * value / possible + 1e-9), BINS - 1) if possible else 0] += 1
    top = max(counts, default=0) or 1
    width = possible / BINS
    return [
        {
            "low": i * width,
            "high": (i + 1) * width,
            "count": count,
            "share": count / top,
        }
        for i, count in enumerate(counts)
    ]


def difficulty(lab: Lab, results: list[Result]) -> list[dict[str, Any]]:
    """Each task's mean share of points, and how many passed, failed and did not start."""
    rows = []
    for place, task in enumerate(lab.tasks):
        those = [result["tasks"][place] for result in results]
        alone = sum(any(not check["own_chain"] for check in one["checks"]) for one in those)
        rows.append(
            {
                "id": task.id,
                "name": task.name,
                "points": task.points,
                "share": mean(one["earned"] / task.points for one in those) if those else 0.0,
                "passed": sum(one["outcome"] == "passed" for one in those),
                "failed": sum(one["outcome"] == "failed" for one in those),
                "open": sum(one["outcome"] == "not started" for one in those),
                "alone": alone,
            }
        )
    return rows


def clusters(results: list[Result]) -> list[dict[str, Any]]:
    """Failures with the same message but for its numbers and quotes, the commonest first.

    What public checks say alike in several tasks is about the file, and counts once.
    """
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for result in results:
        if result["problem"]:
            continue
        failed = [
            (task["id"], check)
            for task in result["tasks"]
            for check in task["checks"]
            if check["outcome"] == "failed"
        ]
        tasks = defaultdict(set)
        for task, check in failed:
            tasks[check["message"]].add(task)
        for task, check in failed:
            message = check["message"]
            of_file = len(tasks[message]) > 1 and not check["hidden"]
            where = ("all", "the file") if of_file else (task, check["says"])
            found[*where, pattern(message)][result["student"]] = message
    rows = [
        {
            "task": task,
            "says": says,
            "message": min(those.values()),
            "students": list(those),
        }
        for (task, says, _), those in found.items()
    ]
    return sorted(rows, key=lambda row: (-len(row["students"]), row["task"], row["says"]))


def pattern(message: str) -> str:
    """A message without what differs from one student to the next: numbers, quotes, places."""
    first = message.split("\n")[0]
    first = re.sub(r"\([^()]*(?:\.py|\.ipynb)[^()]*\)", "", first)
    first = re.sub(r"expected .*?, got .*", "expected …, got …", first)
    first = re.sub(r"'[^']*'|\"[^\"]*\"", "…", first)
    return re.sub(r"-?\d[\d.,e+-]*", "#", first)[:160]


def to_look_at(results: list[Result]) -> list[tuple[str, str, str]]:
    """Whom the instructor should look at: (student, what, why)."""
    rows = []
    for result in results:
        if broken(result):
            messages = [c["message"] for t in result["tasks"] for c in t["checks"]]
            words = next((message for message in messages if message), "")
            rows.append((result["student"], "error in the grader", words))
        elif result["problem"]:
            rows.append((result["student"], "not graded", result["problem"]))
        elif timed_out(result):
            ids = [t["id"] for t in result["tasks"] if timed_out({"tasks": [t]})]
            rows.append((result["student"], "ran out of time or died", ", ".join(ids)))
        rows += [(result["student"], "note", note) for note in result["notes"]]
    return rows


def levels(results: list[Result]) -> list[tuple[str, int]]:
    """How well submissions were kept apart, and how many."""
    counts: dict[str, int] = defaultdict(int)
    for result in results:
        counts[result["isolation"]] += 1
    return sorted(counts.items(), key=lambda entry: -entry[1])
