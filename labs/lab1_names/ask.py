"""What `make lab1-ask COUNTRY=Greece LETTERS=ABC` does: a trained run's networks write names."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labs.lab1_names.data import check_starts, load_vocabulary
from labs.lab1_names.experiment import TITLES
from labs.lab1_names.train import build, packed_model
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.training.runs import WEIGHTS, load_weights
from toolkit.training.runtime import configure

QUESTIONS = {"country": "Greece", "letters": "ABC"}


def ask(tasks: Any, settings: Any, trained: Path, country: str, letters: str) -> None:
    """Print a name of each network for each first letter."""
    configure(settings.seed, settings.precision)
    names, vocabulary = load_vocabulary(tasks, settings)
    country = find_country(country, names.countries)
    starts = list("".join(letters.split()).upper())
    check_starts("".join(starts), vocabulary)
    rows = []
    for architecture, title in TITLES.items():
        weights = trained / architecture / WEIGHTS
        if not weights.is_file():  # left out, or not reached
            continue
        size = len(vocabulary), len(names.countries)
        model, stepper = build(tasks, settings, *size, architecture)
        load_weights(packed_model(model), weights)
        made = tasks.generate_names(
            stepper,
            vocabulary,
            names.countries,
            [country] * len(starts),
            starts,
            settings.max_characters,
            settings.temperature,
            settings.seed,
        )
        rows.append((title, *made))
    console.say(f"names of {country}, temperature {settings.temperature}")
    console.table("network", *starts, rows=rows)


def find_country(name: str, countries: Sequence[str]) -> str:
    """Find a country by its name, or the one with the nearest name, and say so.

    Raises
    ------
    EtudeError
        If no name is near.
    """
    if name in countries:
        return name
    near = difflib.get_close_matches(name.title(), countries, 1)
    if not near:
        raise EtudeError(f"the run has no country {name!r}: there are {', '.join(countries)}")
    console.say(f"the run has no country {name!r}: {near[0]} is taken")
    return near[0]
