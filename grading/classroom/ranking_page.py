"""A ranking as `ranking.csv` and as the page `ranking.html`."""

import csv
import io
from typing import Any

from grading.classroom.page import TEMPLATES, WHO, guarded
from grading.classroom.ranking import Ranked, Ranking
from grading.lab6.leaderboard.pieces import CHORD, MOST
from grading.lab6.leaderboard.scores import NAMES
from labs.lab6_language_models.measure import RUN
from toolkit.report.page import render, today


def ranking_csv(ranking: Ranking) -> str:
    """A row for each student, or for each of a group."""
    out = io.StringIO()
    writer = csv.writer(out)
    measured = [f"{name}{part}" for name in ("distance", *NAMES) for part in ("", " low", " high")]
    copied = ["runs copied", "limit", "longest copy", "of", "ends"]
    writer.writerow(["rank", *WHO, "pieces", *measured, *copied, "remark"])
    for place, one in enumerate(ranking.entries, start=1):
        rank = place if one in ranking.ranked else ""
        for person in one.people:
            who = [getattr(person, key) for key in WHO.values()]
            writer.writerow(map(guarded, [rank, *who, *numbers(one), remark(one)]))
    return out.getvalue()


def numbers(one: Ranked) -> list[Any]:
    """What was measured, in the order of the table; blanks where nothing was."""
    score = one.score
    if score is None:
        return [0] + [""] * (3 + 3 * len(NAMES) + 5)
    cells: list[Any] = [len(score.pieces)]
    for interval in (score.distance, *score.means.values()):
        cells += [round(value, 4) for value in (interval.value, interval.low, interval.high)]
    cells += [round(score.copied, 4), round(score.limit, 4)]
    return [*cells, score.worst.longest, score.worst.source, round(score.ends, 4)]


def remark(one: Ranked) -> str:
    """What an instructor should know beside the numbers."""
    if one.score is None:
        return f"no piece counts: {one.entry.problems[0]}"
    copies = ["over the copying limit"] if one.score.is_copy else []
    left = [f"files that do not count: {len(one.entry.problems)}"] if one.entry.problems else []
    return "; ".join([*copies, *left])


def ranking_html(ranking: Ranking) -> str:
    """The page."""
    return render(
        "ranking.html",
        TEMPLATES,
        ranking=ranking,
        names=NAMES,
        run=RUN,
        most=MOST,
        chord=CHORD,
        problems=[(one.student, why) for one in ranking.entries for why in one.entry.problems],
        written=today(),
    )
