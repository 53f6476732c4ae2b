"""Make `tasks.py`, notebook and README of every lab anew from its `solution.py` and `lab.toml`.

Everything is made in memory first. A file with edits of somebody's own is never overwritten
without `FORCE=1`, and then a backup is kept.
"""

import argparse
import ast
import base64
import hashlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Literal

from labs.course.catalogue import Figure, Lab, Task, all_labs
from labs.course.definitions import definitions
from labs.course.stubs import stubbed
from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import CACHE, shown, write_whole

# Where the course is published: what the Colab badge opens and the set-up cell clones.
REPOSITORY = "OWNER/etude"
BRANCH = "main"

SETUP = f"""\
# Set-up. On Colab this fetches Etude first; prepare(drive=True) keeps data and runs on your Drive.
import os
import subprocess
import sys
from pathlib import Path

places = [Path.cwd(), *Path.cwd().parents, Path("etude").resolve()]
root = next((place for place in places if (place / "toolkit").is_dir()), places[-1])
if "google.colab" in sys.modules and not root.is_dir():
    address = "https://github.com/{REPOSITORY}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, str(root)], check=True)
os.chdir(root)
sys.path.insert(0, str(root))

from toolkit.colab import prepare

prepare()
from labs.look import answer, listen, show
from labs.notebook import check, hint
from toolkit.console import hushed, quiet_tensorflow

quiet_tensorflow()
with hushed():
    import keras"""


def main() -> None:
    """Generate every lab's files and write those that nobody has edited."""
    parser = argparse.ArgumentParser(prog="make build", description=__doc__)
    parser.add_argument("--force", default="", help="1: overwrite edited files, keep backups")
    force = bool(parser.parse_args().force)
    files: dict[Path, str] = {}
    for lab in all_labs():
        files |= generate(lab)
    written = write_files(files, force)
    say(f"{len(written)} of {len(files)} files are new" if written else "all files are as made")
    for path in written:
        say(f"  {shown(path)}")
    next_step("make test")


def generate(lab: Lab) -> dict[Path, str]:
    """Return what a lab's generated files should hold.

    Raises
    ------
    EtudeError
        If `solution.py` does not fit `lab.toml`, or a solution block is out of place.
    """
    if not lab.solution_file.is_file():
        raise EtudeError(f"{shown(lab.solution_file)} is missing: a handout has nothing to build")
    try:
        stubs = stubbed_source(lab)
    except SyntaxError as error:
        raise EtudeError(f"{shown(lab.solution_file)}:{error.lineno}: {error.msg}") from None
    except EtudeError as error:
        raise EtudeError(f"{shown(lab.solution_file)}: {error}") from None
    return {
        lab.tasks_file: without_pictures(stubs),
        lab.notebook_file: notebook(lab, stubs),
        lab.folder / "README.md": readme(lab, stubs),
    }


def stub_file(lab: Lab) -> str:
    """Return the text of a fresh `tasks.py`."""
    return without_pictures(stubbed_source(lab))


def stubbed_source(lab: Lab) -> str:
    """Return a lab's lessons and stubs as a percent script."""
    solution = lab.solution_file.read_text(encoding="utf-8")
    return stubbed(solution, {task.name: task.id for task in lab.tasks})


# Lessons

PICTURE = re.compile(r"!\[([^]]*)\]\((pictures/\w+\.png)\)")


def without_pictures(stubs: str) -> str:
    """Leave of each picture what it shows, and name commands where a notebook has functions."""
    stubs = re.sub(r'`(?:show|listen)\("(\d+\.\d+)"\)`', r"`make show TASK=\1`", stubs)
    return PICTURE.sub(r"Picture (\2): \1", with_answers(stubs, "make answer TASK={} tells."))


def with_answers(stubs: str, where: str) -> str:
    """Add to each question to predict where its answer is: `where`, with the task for {}."""
    result: list[str] = []
    task, asked = "", False
    for line in stubs.splitlines():
        if heading := re.match(r"# ## (\d+\.\d+) ", line):
            task = heading[1]
        if asked and not line.startswith("# >"):
            result.append(f"# > {where.format(task)}")
        asked = line.startswith("# > **Predict.**") or (asked and line.startswith("# >"))
        result.append(line)
    return "\n".join(result) + "\n"


def with_data(lab: Lab, lesson: str) -> str:
    """Put the pictures themselves into a lesson: Colab shows no other."""

    def embedded(match: re.Match) -> str:
        data = base64.b64encode((lab.folder / match[2]).read_bytes()).decode()
        return f"![{' '.join(match[1].split())}](data:image/png;base64,{data})"

    return PICTURE.sub(embedded, lesson)


def looks(lab: Lab, task: Task) -> str:
    """Return the lines that show and play what a task's code makes; empty if there is nothing."""
    if not (lab.folder / "pictures.py").is_file():
        return ""
    from labs.course.pictures import gallery

    found = gallery(lab)
    kinds = {"show": found.computed, "listen": found.sounds}
    return "\n".join(
        f'{name}("{task.id}")' for name, makers in kinds.items() if found.of_task(task.id, makers)
    )


# Notebook


def notebook(lab: Lab, stubs: str) -> str:
    """Return the notebook's JSON: lesson, stubs, a check after each, the experiment.

    The same input gives the same bytes: cell ids are hashes of the task they stand under and
    their place below it.
    """
    import jupytext
    import nbformat

    cells: list[nbformat.NotebookNode] = []
    section, place = "", 0

    def add(kind: str, source: str, **metadata: Any) -> None:
        nonlocal place
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        key = hashlib.sha256(f"{lab.number} {section} {place}".encode()).hexdigest()[:8]
        cells.append(make(source, id=key, metadata=metadata))
        place += 1

    add("markdown", badge(lab))
    add("code", SETUP)
    asked = with_answers(stubs, '`answer("{}")` tells.')
    for cell in jupytext.reads(asked, fmt="py:percent").cells:
        task = _task_in(lab, cell.source) if cell.cell_type == "code" else None
        if task:
            section, place = task.id, 0
        if task:
            add("code", cell.source, nbgrader=nbgrader("task", task))
            add("code", f'check("{task.id}")', nbgrader=nbgrader("check", task))
            if shown_lines := looks(lab, task):
                add("code", shown_lines)
        else:
            add(cell.cell_type, with_data(lab, cell.source))
    section, place = "experiment", 0
    add(
        "markdown",
        f"## The experiment\n\nTrain what you wrote; `make lab{lab.number}` does the same.",
    )
    add("code", f"!{{sys.executable}} -m labs.run {lab.number}")
    metadata = {
        "accelerator": "GPU",
        "colab": {"provenance": []},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    made = nbformat.v4.new_notebook(cells=cells, metadata=metadata, nbformat_minor=5)
    nbformat.validate(made)
    return nbformat.writes(made).rstrip("\n") + "\n"


def nbgrader(role: Literal["task", "check"], task: Task) -> dict[str, Any]:
    """Mark a cell for nbgrader (its metadata, version 3): a task to write, or its graded check."""
    graded = {"points": task.points} if role == "check" else {}
    return {
        "schema_version": 3,
        "grade_id": f"{role}_{task.id.replace('.', '_')}",
        "grade": role == "check",
        "locked": role == "check",
        "solution": role == "task",
        "task": False,
        **graded,
    }


def badge(lab: Lab) -> str:
    """Return the link that opens the notebook on Colab."""
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    path = f"{REPOSITORY}/blob/{BRANCH}/labs/{lab.slug}/{lab.notebook_file.name}"
    return f"[![Open in Colab]({image})](https://colab.research.google.com/github/{path})"


def _task_in(lab: Lab, source: str) -> Task | None:
    """Return the task that a cell defines, if it defines one."""
    tasks = [task for task in lab.tasks if task.name in definitions(source)]
    if len(tasks) > 1:
        raise EtudeError(f"{tasks[0].name} and {tasks[1].name} share a cell: a task is one cell")
    return tasks[0] if tasks else None


# README


def readme(lab: Lab, stubs: str, handout: bool = False) -> str:
    """Return the lab's README: what you build, the tasks, the figures to expect.

    A handout's names nothing that a handout lacks: no solution, no `make build`.
    """
    command, name = f"make lab{lab.number}", lab.notebook_file.name
    found = definitions(stubs)
    rows = [
        f"| {task.id} | `{task.name}` | {_summary(found[task.name].node)} | {task.points} |"
        for task in lab.tasks
    ]
    missing = (
        "What you have not written yet is borrowed from the solution; a handout\n"
        "has none, and there the run stops at the first function that is missing and names it."
    )
    if handout:
        missing = "The run stops at the first missing function that it needs, and names it."
    parts = [
        opening(stubs),
        f"```\n{command}\n```\n\ntrains and plays. {missing}\n"
        f"Write your own in [tasks.py](tasks.py), or in [{name}]({name}); "
        f"`make grade LAB={lab.number}` says whether it is right.",
        "## Tasks",
        "\n".join(["| task | you write | what it does | points |", "|---|---|---|---|", *rows]),
    ]
    if lab.figures:
        figures = [_figure_row(figure, command) for figure in lab.figures]
        head = ["| figure | what it is | expected | shown by |", "|---|---|---|---|"]
        parts += [
            "## What to expect",
            "With the solution's code; the report of a run shows its own figures beside these, "
            "and the loss and accuracy curves.",
            "\n".join([*head, *figures]),
        ]
    if not handout:
        parts.append("<sub>Made by `make build` from solution.py and lab.toml; edit those.</sub>")
    return "\n\n".join(parts) + "\n"


def opening(stubs: str) -> str:
    """Return the first lesson cell as Markdown."""
    lines = stubs.splitlines()
    if not lines or lines[0] != "# %% [markdown]":
        raise EtudeError("solution.py does not start with a lesson cell: # %% [markdown]")
    end = next(place for place, line in enumerate(lines) if place and not line.startswith("#"))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[1:end]).strip()


def _summary(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def _figure_row(figure: Figure, command: str) -> str:
    shown_by = command if figure.preset == "quick" else f"{command} PRESET={figure.preset}"
    expected = f"{figure.words} {figure.bound:g}{figure.measured}"
    return f"| {figure.name} | {figure.text} | {expected} | `{shown_by}` |"


# Writing


def write_files(
    files: dict[Path, str], force: bool, record: Path = CACHE / "built.json"
) -> list[Path]:
    """Write those files that differ; return them.

    A file counts as edited if it is neither what git's HEAD has nor what this made last.

    Raises
    ------
    EtudeError
        Naming the edited files, after the others have been written.
    """
    made = _read_record(record)
    written, edited = [], []
    for path, text in files.items():
        content = text.encode()
        present = path.read_bytes() if path.is_file() else None
        if present != content:
            if present is not None and made.get(str(path)) != _digest(present):
                if present != committed(path) and not force:
                    edited.append(path)
                    continue
                if present != committed(path):
                    keep_backup(path)
            write_whole(path, content)
            written.append(path)
        made[str(path)] = _digest(content)
    record.parent.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps(made, indent=1))
    if edited:
        names = ", ".join(shown(path) for path in edited)
        raise EtudeError(
            f"{names} would lose edits: nothing in it was changed. "
            "make build FORCE=1 overwrites it and keeps a backup"
        )
    return written


def committed(path: Path) -> bytes | None:
    """Return what git's HEAD has at `path`; None outside a checkout or if it has nothing there."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    try:
        shown_file = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown_file.stdout if shown_file.returncode == 0 else None


def keep_backup(path: Path) -> Path:
    """Copy `path` beside itself under the present time; return the copy."""
    backup = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}.backup")
    count = 1
    while backup.exists():
        count += 1
        backup = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}-{count}.backup")
    write_whole(backup, path.read_bytes())
    say(f"kept {shown(backup)}")
    return backup


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_record(record: Path) -> dict[str, str]:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    run_command(main)
