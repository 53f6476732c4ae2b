"""The curves of a training, as pictures of its report."""

from collections.abc import Mapping

from toolkit.report.plots import plot_curves
from toolkit.report.report import Picture
from toolkit.training.runs import Log, Run

CURVES = {"nats_per_token": "loss (nats a token)", "accuracy": "accuracy (share of tokens)"}


def draw_curves(
    run: Run, log: Log, baselines: Mapping[str, Mapping[str, float]] | None = None
) -> list[Picture]:
    """Plot loss and accuracy over the epochs, as far as training got.

    Parameters
    ----------
    baselines : column of the log -> name -> value, drawn as lines
    """
    pictures = []
    for column, label in CURVES.items():
        path = run.path(f"{column}.png")
        if column in log:
            plot_curves(log, path, column, label, (baselines or {}).get(column))
        pictures.append(Picture(path, f"{label} over the epochs, training and validation"))
    return pictures
