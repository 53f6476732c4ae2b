"""What a lab's README promises, held against what a run obtained."""

from pathlib import Path

from labs.course.catalogue import read_lab
from toolkit.report.report import Promise
from toolkit.training.runs import Run


def promises(
    folder: Path, run: Run, obtained: dict[str, float], *, judged: bool, digits: int = 3
) -> list[Promise]:
    """Compare the figures of a lab's `lab.toml` for this preset with those obtained.

    Parameters
    ----------
    folder
        The lab's, which holds `lab.toml`.
    judged
        Whether the settings are the preset's own: others promise nothing.
    digits
        How many significant digits an obtained figure shows.
    """
    rows = []
    for figure in read_lab(folder / "lab.toml").figures:
        if figure.preset != run.preset or figure.key not in obtained:
            continue
        value = obtained[figure.key]
        bound = f"{figure.direction.replace('_', ' ')} {figure.bound:g} {figure.text}"
        spelled = f"{value:.{digits}g}"
        kept = figure.met(value) if judged else None
        if run.resumed and figure.key == "seconds":  # nobody kept the time before
            spelled, kept = f"{spelled} since it was resumed", None
        rows.append(Promise(figure.name, bound, spelled, kept))
    return rows
