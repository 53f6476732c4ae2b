"""Data sets: fetched and prepared for the labs that use them, or used where you have them.

`make data` lists them, `make data NAME=maestro` fetches one, `FROM=path` uses a copy.
"""

import argparse
import importlib

from labs.course.catalogue import Lab, all_labs
from toolkit import console
from toolkit.data import datasets, preparation
from toolkit.errors import EtudeError
from toolkit.paths import shown


def main() -> None:
    """List the data sets, or make one available."""
    parser = argparse.ArgumentParser(prog="make data", description=__doc__)
    parser.add_argument("--name", help="the data set to make available")
    parser.add_argument("--from", dest="source", help="your copy: a folder, or the official zip")
    options = parser.parse_args()
    if options.name:
        folder = datasets.fetch(options.name, options.source)
        data_set = datasets.find(options.name)
        console.say(f"{data_set.name} is in {shown(folder)}.")
        console.say(f"licence: {data_set.licence} · to cite it: {data_set.citation}")
        prepare(data_set.name)
    elif options.source:
        raise EtudeError(
            "FROM=path needs the data set's name too: make data NAME=maestro FROM=path"
        )
    else:
        rows = [
            (entry.name, entry.title, datasets.describe(entry))
            for entry in datasets.registry().values()
        ]
        console.table("name", "what", "where", rows=rows)
        console.next_step("make data NAME=maestro, or with FROM=path if you have a copy")


def prepare(name: str) -> None:
    """Make the tokens that labs train on, so that their first run need not."""
    for lab in all_labs():
        if name in preparations(lab):
            console.say(f"Lab {lab.number}: the tokens of {name}")
            preparation.prepare(preparations(lab)[name])


def preparations(lab: Lab) -> dict[str, preparation.Preparation]:
    """Give how a lab makes its corpora, as far as no student's code does, by data set.

    It is `PREPARATIONS` in the lab's `data.py`, if it has any.
    """
    if not (lab.folder / "data.py").is_file():
        return {}
    return getattr(importlib.import_module(f"labs.{lab.slug}.data"), "PREPARATIONS", {})


if __name__ == "__main__":
    console.run_command(main)
