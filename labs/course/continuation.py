"""Generate again with a model that is trained, from another primer say (`make lab4-continue`).

A lab that can has, in its `experiment.py`, `CONTINUABLE`, the settings that may differ from those
of the training, and `continue_experiment(tasks, settings, run, trained)`; `trained` is the folder
of a run, whose weights stand in it or, of several networks, in a folder each.
"""

import argparse
import dataclasses
import json
import types
from pathlib import Path
from typing import Any

from labs.course.catalogue import Lab, load_lab
from labs.course.code import Tasks, load_tasks
from labs.course.run import load_experiment, make_settings
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, shown
from toolkit.training.runs import WEIGHTS, Run

OPTIONS = ("primer", "instrument", "soundfont", "seed")  # settings with an option of their own


def main() -> None:
    """Find a finished run, load its experiment, and let it continue in a run of its own."""
    console.quiet_tensorflow()
    options = _parser().parse_args()
    lab = load_lab(options.lab)
    experiment = load_experiment(lab)
    if not hasattr(experiment, "continue_experiment"):
        raise EtudeError(
            f"lab {lab.number} cannot be continued: make lab{lab.number} starts a new run"
        )
    trained = find_run(lab, options.run)
    before = read_settings(lab, experiment, trained)
    given = {name: getattr(options, name) for name in OPTIONS}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = combine(lab, experiment, before, chosen, options.set)
    tasks = load_code(lab, before, options.code)
    with Run.create(lab.slug, "continued", dataclasses.asdict(settings)) as run:
        experiment.continue_experiment(tasks, settings, run, trained)
    console.say(f"report: {shown(run.folder / 'report.html')}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make lab4-continue", description=__doc__)
    parser.add_argument("lab", help="the lab's number")
    parser.add_argument("--run", help="the run's folder (the newest that was finished)")
    parser.add_argument("--code", help="whose code (as when it was trained)")
    parser.add_argument("--set", default="", help='other settings: "temperature=0.9 samples=2"')
    for name in OPTIONS:
        parser.add_argument(f"--{name}", help=f"the setting `{name}`")
    return parser


def find_run(lab: Lab, folder: str | None, root: Path | None = None) -> Path:
    """Find a run that has trained weights, the newest finished one unless a folder is given.

    Raises
    ------
    EtudeError
        If there is none.
    """
    name = f"lab{lab.number}"
    if folder is not None:
        found = Path(folder)
        if not _has_weights(found) or not (found / "settings.json").is_file():
            raise EtudeError(f"{folder} is not a run with trained weights: give runs/{name}/…")
        return found
    for found in sorted((root or RUNS / name).glob("*-*"), reverse=True):
        status = found / "status.json"
        if _has_weights(found) and '"finished"' in status.read_text():
            return found
    raise EtudeError(f"there is no finished run of Lab {lab.number} yet: make {name} first")


def _has_weights(folder: Path) -> bool:
    return any(folder.glob(WEIGHTS)) or any(folder.glob(f"*/{WEIGHTS}"))


def read_settings(lab: Lab, experiment: types.ModuleType, folder: Path) -> dict[str, Any]:
    """Read the settings of a run of this lab.

    Raises
    ------
    EtudeError
        If the file is damaged, or of another lab's run.
    """
    path = folder / "settings.json"
    known = {"preset", "code", *(field.name for field in dataclasses.fields(experiment.Settings))}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if "preset" in settings and settings.keys() <= known:
            return settings
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise EtudeError(
        f"{shown(path)} is damaged or of another lab's run: give a run of Lab {lab.number}, "
        f"RUN=runs/lab{lab.number}/…"
    )


def load_code(lab: Lab, before: dict[str, Any], code: str | None) -> Tasks:
    """Load the code that a run was trained with, or other code that is given."""
    was = before.get("code")
    return load_tasks(lab, code or (None if was == "tasks.py" else was))


def combine(
    lab: Lab,
    experiment: types.ModuleType,
    before: dict[str, Any],
    chosen: dict[str, str],
    overrides: str,
) -> Any:
    """Make settings of a run's own and of what is given now.

    Raises
    ------
    EtudeError
        If a setting is given that the trained model depends on.
    """
    preset = before["preset"] if before["preset"] in experiment.PRESETS else "quick"
    given = make_settings(experiment, preset, chosen, overrides)
    plain = experiment.PRESETS[preset]
    values: dict[str, Any] = {}
    for field in dataclasses.fields(plain):
        new, old = getattr(given, field.name), getattr(plain, field.name)
        if new != old and field.name not in experiment.CONTINUABLE:
            raise EtudeError(
                f"{field.name} belongs to the trained model: it can be set when training, with "
                f"make lab{lab.number}"
            )
        was = before.get(field.name, old)
        values[field.name] = new if new != old else tuple(was) if isinstance(was, list) else was
    return experiment.Settings(**values)


if __name__ == "__main__":
    console.run_command(main)
