"""Run a lab's experiment on the student's code, the solution's, or both (`make lab3`)."""

import argparse
import ast
import dataclasses
import difflib
import importlib
import shlex
import traceback
import types
import typing
from pathlib import Path
from typing import Any

from labs.course.catalogue import Lab, checks_hash, load_lab
from labs.course.code import BORROWED, SOLUTION, YOURS, Tasks, load_tasks, said
from labs.course.report import reported
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import shown
from toolkit.training.settings import Range

# Options that are fields of an experiment's settings by another name on the command line.
FIELDS = ("data", "seed", "precision", "devices", "instrument", "soundfont", "primer")


def main() -> None:
    """Stamp, say whose code runs, run the experiment, say where the report is and what is next."""
    console.quiet_tensorflow()
    from toolkit.training.runs import Run
    from toolkit.training.runtime import parity_stamp

    options = _parser().parse_args()
    lab = load_lab(options.lab)
    facts = parity_stamp(checks_hash(lab))
    console.stamp(facts)
    experiment = load_experiment(lab)
    chosen = {name: getattr(options, name) for name in FIELDS if getattr(options, name) is not None}
    settings = make_settings(experiment, options.preset, chosen, options.set)
    tasks = load_tasks(lab, options.code)
    for note in tasks.notes:
        console.warn(note)
    say_whose(tasks)
    named = {**dataclasses.asdict(settings), "code": options.code or "tasks.py"}
    resume = options.resume == "1" or (Path(options.resume) if options.resume else False)
    with Run.create(lab.slug, options.preset, named, resume, facts) as run:
        try:
            with reported(run, tasks):
                experiment.run_experiment(tasks, settings, run)
        except Exception as error:
            if sentence := explain(error, tasks, lab, run.path("error.txt")):
                raise EtudeError(sentence) from error
            raise
    _say_next(lab, tasks, run.folder / "report.html")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labs.run", description=__doc__)
    parser.add_argument("lab", help="the lab's number")
    parser.add_argument("--preset", default="quick", help="which of the lab's presets (quick)")
    parser.add_argument("--code", help='"solution" or a .py or .ipynb file (the one you worked in)')
    parser.add_argument("--set", default="", help='other settings: "epochs=3 units=128"')
    parser.add_argument("--resume", default="", help="1, or a folder: go on with a run")
    for name in FIELDS:
        parser.add_argument(f"--{name}", help=f"the setting `{name}`, if the lab has it")
    return parser


def load_experiment(lab: Lab) -> types.ModuleType:
    """Import a lab's `experiment.py`.

    Raises
    ------
    EtudeError
        If the lab has none.
    """
    if not (lab.folder / "experiment.py").is_file():
        raise EtudeError(f"lab {lab.number} has no experiment: {shown(lab.folder)}/experiment.py")
    with console.hushed():
        return importlib.import_module(f"labs.{lab.slug}.experiment")


# Settings


def make_settings(
    experiment: types.ModuleType, preset: str, chosen: dict[str, str], overrides: str
) -> Any:
    """Return a preset with some of its fields replaced.

    Parameters
    ----------
    experiment : module
        With `PRESETS`, frozen dataclasses by name, and perhaps `DATA_SETS`, what `data` may be.
    preset : str
        Which preset.
    chosen : dict of str to str
        Values of fields from options of their own: ``{"data": "maestro"}``.
    overrides : str
        Values of any fields: ``"epochs=3 units=128"``.

    Raises
    ------
    EtudeError
        If a preset, a field or a data set is unknown, or a value is none of the field's type.
    """
    if preset not in experiment.PRESETS:
        raise EtudeError(f"there is no preset {preset}: {_offer(preset, experiment.PRESETS)}")
    settings = experiment.PRESETS[preset]
    fields = typing.get_type_hints(type(settings), include_extras=True)
    values = {}
    for name, text in [*chosen.items(), *_pairs(overrides)]:
        if name not in fields:
            raise EtudeError(f"this lab has no setting {name}: {_offer(name, fields)}")
        values[name] = parse_value(name, text, fields[name])
    data_sets = getattr(experiment, "DATA_SETS", None)
    if data_sets and values.get("data", data_sets[0]) not in data_sets:
        raise EtudeError(f"this lab has no data set {values['data']}: {', '.join(data_sets)}")
    # What cannot be played stops the run before it trains, not after.
    if values.get("instrument"):
        from toolkit.music.sound import program_number

        for name in values["instrument"].split(","):
            program_number(name.strip())
    if values.get("soundfont"):
        from toolkit.music.sound import check_soundfont

        check_soundfont(Path(values["soundfont"]))
    try:
        return dataclasses.replace(settings, **values)
    except ValueError as error:
        raise EtudeError(f"these settings do not fit together: {error}") from None


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = [text]
    for word in words:
        if word.find("=") < 1:
            raise EtudeError(f'SET holds "{word}": write it like SET="epochs=3 units=128"')
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def _offer(name: str, known: typing.Iterable[str]) -> str:
    """List what there is, the nearest alone if there is one."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def parse_value(name: str, text: str, kind: Any) -> Any:
    """Read a setting's value by the type of its field.

    Raises
    ------
    EtudeError
        If `text` is no such value.
    """
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    options = typing.get_args(kind) if is_union else (kind,)
    if type(None) in options and text.lower() in ("", "none"):
        return None
    for option in options:
        if option is str:
            return text
        value = _literal(text)
        plain, fits = getattr(option, "__origin__", option), _range(option).fits
        if plain is bool and isinstance(value, bool):
            return value
        if plain is int and type(value) is int and fits(value):
            return value
        if plain is float and type(value) in (int, float) and fits(value):
            return float(value)
        if plain is tuple and value not in ((), []):
            items = value if isinstance(value, tuple | list) else (value,)
            inner = typing.get_args(option)[0]
            return tuple(parse_value(name, str(item), inner) for item in items)
    raise EtudeError(f'{name} is "{text}": give {_wanted(options)}')


def _literal(text: str) -> Any:
    try:
        return {"true": True, "false": False}.get(text.lower(), ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower())


def _wanted(options: tuple[Any, ...]) -> str:
    return " or ".join(_range(option).text for option in options)


def _range(option: Any) -> Range:
    """What a kind of value may be: its own range, or anything of its type."""
    words = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}
    anything = Range(lambda _: True, words.get(option, "one or several with commas between"))
    return next(iter(getattr(option, "__metadata__", ())), anything)


# What the student is told


def say_whose(tasks: Tasks) -> None:
    """Say which file was loaded, and which functions are the student's and which are borrowed."""
    named: dict[str, list[str]] = {}
    for _, name, whose in tasks.describe():
        named.setdefault(whose, []).append(name)
    if SOLUTION in named:
        console.say("code: the solution throughout")
        return
    console.say(f"code: {shown(tasks.path)}")
    labels = {YOURS: "yours", BORROWED: "borrowed from the solution"}
    for whose, names in named.items():
        console.say(f"code: {labels.get(whose, 'not written yet')}: {', '.join(names)}")


def explain(error: Exception, tasks: Tasks, lab: Lab, file: Path) -> str | None:
    """Say in one sentence what went wrong in a student's code, the whole traceback in `file`.

    None if none of the code was the student's: then it is Etude's own error.
    """
    if isinstance(error, EtudeError) or YOURS not in tasks.whose.values():
        return None
    file.write_text("".join(traceback.format_exception(error)))
    rest = f"(the whole traceback: {shown(file)})"
    if sentence := tasks.explain(error):
        return f"{sentence} {rest}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{shown(Path(last.filename))}:{last.lineno}"
    return (
        f"{place}: {said(error)}. Most often that "
        f"comes from what one of your functions returned: make grade LAB={lab.number} {rest}"
    )


def _say_next(lab: Lab, tasks: Tasks, report: Path) -> None:
    console.say(f"report: {shown(report)}")
    unfinished = tasks.first_unfinished()
    if unfinished:
        task, place = unfinished
        console.next_step(f"write {task.name} (task {task.id})", place)
    else:
        console.next_step("open the report", report)
        if YOURS in tasks.whose.values():
            console.say(f"      then hand in: make submit LAB={lab.number}")


if __name__ == "__main__":
    console.run_command(main)
