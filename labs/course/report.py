"""A lab's report: what it opens with, the promises of its README, and what it closes with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from labs.course.catalogue import Lab, load_lab
from labs.course.code import Tasks, said
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.report.report import Picture, Promise, Report
from toolkit.training.runs import MONITOR, Run, best_epoch, read_log


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

    If the block fails, the report is written with what it has by then.

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
    try:
        yield report
    except BaseException as error:
        if run.begun:
            write_stopped(report, tasks, error)
        raise
    report.add_code("Whose code ran", tasks.describe())
    report.write()


@contextmanager
def reported(run: Run, tasks: Tasks) -> Iterator[None]:
    """Write a report of what there is if the block, an experiment, fails after training began."""
    try:
        yield
    except BaseException as error:
        if run.begun and not run.reported:
            lab = load_lab(run.lab)
            report = Report(run, f"Lab {lab.number}: {lab.title}")
            with suppress(OSError):
                add_training(report)
            write_stopped(report, tasks, error)
        raise


def write_stopped(report: Report, tasks: Tasks, error: BaseException) -> None:
    """Close the report of a run that `error` stopped; a full disk must not hide that error."""
    report.stopped = reason(tasks, error)
    report.add_code("Whose code ran", tasks.describe())
    with suppress(OSError):
        path = report.write()
        console.say(f"report of what there is: {shown(path)}")


def reason(tasks: Tasks, error: BaseException) -> str:
    """Say in one line what stopped a run."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    if isinstance(error, EtudeError):
        return str(error).rstrip(".")
    return tasks.explain(error) or said(error)


def add_training(report: Report) -> None:
    """Add the losses of each network that has been trained, as far as it got."""
    from toolkit.report.plots import plot_comparison

    folder = report.run.folder
    paths = sorted(folder.glob("**/log.csv"), key=lambda path: path.stat().st_mtime)
    names = [path.parent.relative_to(folder).as_posix() for path in paths]
    found = {name: read_log(path) for name, path in zip(names, paths, strict=True)}
    logs = {"training" if name == "." else name: log for name, log in found.items() if log}
    if not logs:
        report.add_text("Training", "No epoch was finished.")
        return
    picture = report.run.path("training.png")
    plot_comparison(logs, picture, "nats_per_token", "loss (nats a token)")
    report.add_pictures("Training", [Picture(picture, "loss of each network over the epochs")])
    rows = [(name, len(log["epoch"]), *best(log)) for name, log in logs.items()]
    report.add_table("Validation", ("network", "epochs", "best epoch", "nats a token there"), rows)


def best(log: Mapping[str, list[float]]) -> tuple[int | None, float | None]:
    """Give a log's best epoch and its validation loss; None where no epoch has a finite one."""
    epoch = best_epoch(dict(log))
    return epoch, None if epoch is None else log[MONITOR][log["epoch"].index(epoch)]


def promises(
    lab: Lab, run: Run, obtained: Mapping[str, float], *, judged: bool, digits: int = 3
) -> list[Promise]:
    """Compare the figures that a lab promises of this preset with those obtained."""
    rows = []
    for figure in lab.figures:
        if figure.preset != run.preset or figure.key not in obtained:
            continue
        value = obtained[figure.key]
        text = f"{value:.{digits}g}"
        kept = figure.met(value) if judged and not run.interrupted else None
        if run.resumed and figure.key == "seconds":  # nobody kept the time before
            text, kept = f"{text} since it was resumed", None
        promised = f"{figure.words} {figure.bound:g} {figure.text}{figure.measured}"
        rows.append(Promise(figure.name, promised, text, kept))
    return rows
