"""A lab's report: what it opens with, the promises of its README, and what it closes with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from labs.course.catalogue import Lab, load_lab
from labs.course.code import Tasks
from toolkit.report.report import Promise, Report
from toolkit.training.runs import Run


@contextmanager
def lab_report(
    run: Run,
    tasks: Tasks,
    title: str,
    lead: str,
    obtained: Mapping[str, float],
    *,
    judged: bool,
    digits: int = 3,
) -> Iterator[Report]:
    """Open a report with its promises; at the block's end say whose code ran, and write it.

    Parameters
    ----------
    run : of a lab, whose `lab.toml` holds the promises
    title : after "Lab 3: "
    lead : one sentence
    obtained : figure's key -> what the run obtained
    judged : whether the settings are the preset's own: others promise nothing
    digits : how many significant digits an obtained figure shows
    """
    lab = load_lab(run.lab)
    report = Report(run, f"Lab {lab.number}: {title}", lead)
    if kept := promises(lab, run, obtained, judged=judged, digits=digits):
        report.add_promises("Promised and obtained", kept)
    yield report
    report.add_code("Whose code ran", tasks.describe())
    report.write()


def promises(
    lab: Lab, run: Run, obtained: Mapping[str, float], *, judged: bool, digits: int = 3
) -> list[Promise]:
    """Compare the figures that a lab promises of this preset with those obtained."""
    rows = []
    for figure in lab.figures:
        if figure.preset != run.preset or figure.key not in obtained:
            continue
        value = obtained[figure.key]
        bound = f"{figure.direction.replace('_', ' ')} {figure.bound:g} {figure.text}"
        text = f"{value:.{digits}g}"
        kept = figure.met(value) if judged else None
        if run.resumed and figure.key == "seconds":  # nobody kept the time before
            text, kept = f"{text} since it was resumed", None
        rows.append(Promise(figure.name, bound, text, kept))
    return rows
