"""Make the course's site: a page a lab, a section a task, all from the stubs, never a solution.

`make site` writes Markdown and pictures into `site/`, and Sphinx makes pages of them in
`site/build/html`, which need no network and no server.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from labs.course.build import opening, stubbed_source
from labs.course.catalogue import Lab, Task, all_labs
from labs.course.definitions import definitions
from toolkit.console import run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown, write_whole

SITE = ROOT / "site"
PREDICT = re.compile(r"^> \*\*Predict\.\*\*.*(?:\n>.*)*", re.MULTILINE)


def main() -> None:
    """Write the pages and let Sphinx make HTML of them."""
    argparse.ArgumentParser(prog="make site", description=__doc__).parse_args()
    write_pages(all_labs(), SITE)
    say(shown(to_html(SITE, SITE / "build" / "html")))


def write_pages(labs: list[Lab], folder: Path) -> None:
    """Write the Markdown of all pages, and copy their pictures beside it."""
    folder.mkdir(exist_ok=True)
    write_whole(folder / "index.md", front(labs))
    for lab in labs:
        place = folder / f"lab{lab.number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        write_whole(place / "index.md", page(lab))
        if (lab.folder / "pictures").is_dir():
            shutil.copytree(lab.folder / "pictures", place / "pictures")


def to_html(folder: Path, html: Path) -> Path:
    """Run Sphinx; return the first page.

    Raises
    ------
    EtudeError
        If Sphinx is not installed, or warns of anything.
    """
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [*command, "--conf-dir", str(SITE), str(folder), str(html)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise EtudeError(f"Sphinx made no site: {done.stderr.strip()}")
    return html / "index.html"


def front(labs: list[Lab]) -> str:
    """Return the first page: what each lab builds."""
    lines = ["# Etude", "A course in sequence modelling that runs: graded labs in Keras 3."]
    for lab in labs:
        _, first, *_ = opening(stubbed_source(lab)).split("\n\n")
        lines.append(f"**[Lab {lab.number}: {lab.title}](lab{lab.number}/index.md).** {first}")
    names = "\n".join(f"lab{lab.number}/index" for lab in labs)
    return "\n\n".join([*lines, f"```{{toctree}}\n:hidden:\n\n{names}\n```"]) + "\n"


def page(lab: Lab) -> str:
    """Return a lab's page: lessons, and under each its task's stub and first hint, folded."""
    import jupytext

    parts = []
    asking: Task | None = None
    for cell in jupytext.reads(stubbed_source(lab), fmt="py:percent").cells:
        if cell.cell_type == "markdown":
            if heading := re.match(r"## (\d+\.\d+) ", cell.source):
                asking = lab.task(heading[1])
            parts.append(with_answer(cell.source, asking))
        elif task := next((t for t in lab.tasks if t.name in definitions(cell.source)), None):
            parts += [f"````python\n{cell.source}\n````", fold("A hint", task.hints[0])]
    return "\n\n".join(parts) + "\n"


def with_answer(lesson: str, task: Task | None) -> str:
    """Fold the answer under a lesson's question."""
    if task is None or not task.answer:
        return lesson
    return PREDICT.sub(lambda asked: f"{asked[0]}\n\n{fold('Answer', task.answer)}", lesson)


def fold(title: str, text: str) -> str:
    """Return a text that opens under its title."""
    return f":::{{dropdown}} {title}\n{text}\n:::"


if __name__ == "__main__":
    run_command(main)
