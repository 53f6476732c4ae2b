"""Play on from another primer with a model that is trained (`make lab4-continue`)."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from labs.course.catalogue import read_lab
from labs.course.code import load_tasks
from labs.course.run import load_experiment, make_settings
from labs.lab4_performances.data import load_splits
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, shown
from toolkit.report.report import Report
from toolkit.training.runs import Run
from toolkit.training.runtime import configure

# what may differ from the run that trained the model
CHANGEABLE = (
    *("instrument", "soundfont", "primer", "primer_seconds", "seed", "precision", "temperature"),
    *("top_k", "top_p", "grammar", "samples", "max_events", "compared"),
)


def main() -> None:
    """Load the weights of a finished run, play, and write a report of its own."""
    console.quiet_tensorflow()
    parser = argparse.ArgumentParser(prog="make lab4-continue", description=__doc__)
    parser.add_argument("--run", help="the run's folder (the newest that was finished)")
    parser.add_argument("--set", default="", help='other settings: "temperature=0.9 samples=2"')
    for name in ("primer", "instrument", "soundfont", "seed"):
        parser.add_argument(f"--{name}", help=f"the setting `{name}`")
    options = parser.parse_args()
    lab = read_lab(Path(__file__).with_name("lab.toml"))
    trained = find_run(options.run)
    before = read_settings(trained)
    experiment = load_experiment(lab)
    from labs.lab4_performances.playing import read_primer, write_samples

    chosen = {
        name: value
        for name in ("primer", "instrument", "soundfont", "seed")
        if (value := getattr(options, name)) is not None
    }
    settings = combine(before, chosen, options.set)
    # before anything that takes time or leaves a folder
    given = read_primer(settings.primer, settings.data) if settings.primer else None
    code = before.get("code")
    tasks = load_tasks(lab, None if code == "tasks.py" else code)
    runtime = configure(settings.seed, settings.precision, settings.devices)
    splits = load_splits(settings.data, settings.max_pieces)
    model = experiment.build(tasks, settings, runtime)
    load_weights(model, trained / "best.weights.h5")
    kinds = experiment.play(tasks, settings, model, splits, given)
    with Run.create(lab.slug, "continued", dataclasses.asdict(settings)) as run:
        run.begin()
        samples = write_samples(run, settings, kinds[:-1], "pieces")
        report = Report(run, "Lab 4: continuations", f"Played by the model of {shown(trained)}.")
        experiment.add_music(report, run, settings, kinds, samples)
        report.add_code("Whose code ran", tasks.describe())
        console.say(f"report: {shown(report.write())}")


def find_run(folder: str | None, root: Path = RUNS / "lab4") -> Path:
    """Find a run that has trained weights, the newest finished one unless a folder is given.

    Raises
    ------
    EtudeError
        If there is none.
    """
    if folder is not None:
        found = Path(folder)
        if not (found / "best.weights.h5").is_file() or not (found / "settings.json").is_file():
            raise EtudeError(f"{folder} is no run with trained weights: give runs/lab4/…")
        return found
    for found in sorted(root.glob("*-*"), reverse=True):
        status = found / "status.json"
        if (found / "best.weights.h5").is_file() and '"finished"' in status.read_text():
            return found
    raise EtudeError("there is no finished run of Lab 4 yet: make lab4 first")


def read_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a run of this lab.

    Raises
    ------
    EtudeError
        If the file is damaged, or of another lab's run.
    """
    path = folder / "settings.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if {"preset", "d_model", "window"} <= settings.keys():
            return settings
    except (OSError, ValueError, AttributeError):
        pass
    raise EtudeError(
        f"{shown(path)} is damaged or of another lab's run: give a run of Lab 4, RUN=runs/lab4/…"
    )


def combine(before: dict[str, Any], chosen: dict[str, str], overrides: str) -> Any:
    """Make settings of a run's own and of what is given now.

    Raises
    ------
    EtudeError
        If a setting is given that the trained model depends on.
    """
    from labs.lab4_performances import experiment

    preset = before["preset"] if before["preset"] in experiment.PRESETS else "quick"
    given = make_settings(experiment, preset, chosen, overrides)
    plain = experiment.PRESETS[preset]
    values: dict[str, Any] = {}
    for field in dataclasses.fields(plain):
        new, old = getattr(given, field.name), getattr(plain, field.name)
        if new != old and field.name not in CHANGEABLE:
            raise EtudeError(
                f"{field.name} belongs to the trained model: it can be set when training, with "
                "make lab4"
            )
        was = before.get(field.name, old)
        values[field.name] = new if new != old else tuple(was) if isinstance(was, list) else was
    return experiment.Settings(**values)


def load_weights(model: Any, path: Path) -> None:
    """Load a model's weights.

    Raises
    ------
    EtudeError
        If the file is damaged, or of another model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:150]
        raise EtudeError(
            f"{shown(path)} is damaged or holds another model's weights ({reason}): train with "
            "make lab4 again"
        ) from None


if __name__ == "__main__":
    console.run_command(main)
