"""Ask the models of a run that is trained (`make lab2-ask NUMBERS="1033 90210"`).

A lab that can be asked has a module `ask.py` with `QUESTIONS`, option -> example, and
`ask(tasks, settings, trained, **questions)`; `trained` is the folder of a run.
"""

import argparse
import importlib
import types

from labs.course.catalogue import Lab, load_lab
from labs.course.continuation import combine, find_run, load_code, read_settings
from labs.course.run import load_experiment
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import shown

OPTIONS = ("numbers", "country", "letters")  # what the labs that can be asked are asked


def main() -> None:
    """Find a finished run, and put the questions to its models."""
    console.quiet_tensorflow()
    options = _parser().parse_args()
    lab = load_lab(options.lab)
    if not (lab.folder / "ask.py").is_file():
        raise EtudeError(
            f"lab {lab.number} cannot be asked: make lab{lab.number} trains and generates"
        )
    with console.hushed():
        asking = importlib.import_module(f"labs.{lab.slug}.ask")
    questions = check_questions(lab, asking, options)
    trained = find_run(lab, options.run)
    experiment = load_experiment(lab)
    before = read_settings(lab, experiment, trained)
    tasks = load_code(lab, before, options.code)
    console.say(f"asking {shown(trained)}")
    try:
        asking.ask(tasks, combine(lab, experiment, before, {}, ""), trained, **questions)
    except Exception as error:
        if not isinstance(error, EtudeError) and (sentence := tasks.explain(error)):
            raise EtudeError(sentence) from error
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make lab2-ask", description=__doc__)
    parser.add_argument("lab", help="the lab's number")
    parser.add_argument("--run", help="the run's folder (the newest that was finished)")
    parser.add_argument("--code", help="whose code (as when it was trained)")
    for name in OPTIONS:
        parser.add_argument(f"--{name}", help=f"the question's {name}, if the lab asks for it")
    return parser


def check_questions(
    lab: Lab, asking: types.ModuleType, options: argparse.Namespace
) -> dict[str, str]:
    """Take what the lab asks for.

    Raises
    ------
    EtudeError
        If something is missing, or is none of this lab's questions.
    """
    given = {name: text for name in OPTIONS if (text := (getattr(options, name) or "").strip())}
    if given.keys() != asking.QUESTIONS.keys():
        example = " ".join(f"{name.upper()}={text}" for name, text in asking.QUESTIONS.items())
        raise EtudeError(f"say what to ask, and nothing else: make lab{lab.number}-ask {example}")
    return given


if __name__ == "__main__":
    console.run_command(main)
