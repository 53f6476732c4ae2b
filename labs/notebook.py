"""`check("3.4")` in a lab's notebook: save what was written to `tasks.py`, grade it, show how."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labs.build import keep_backup, write_atomically
from labs.catalogue import Lab, find_task
from toolkit.console import say
from toolkit.paths import ROOT, shown
from toolkit.source import definitions, missing, notebook_source, replaced


def check(task_id: str) -> float:
    """Save this notebook's definitions to the lab's `tasks.py` and grade one task.

    Where nbgrader runs many students' notebooks nothing is saved.

    Parameters
    ----------
    task_id : str
        Such as "3.4".

    Returns
    -------
    float
        The points earned, which nbgrader takes as the check's score.
    """
    lab, task = find_task(task_id)
    with TemporaryDirectory(prefix="etude-notebook-") as folder:
        results = Path(folder) / "result.json"
        command = [sys.executable, "-m", "pytest", "grading", "--task", task.id]
        command += ["--results", str(results)]
        if os.environ.get("NBGRADER_EXECUTION"):
            code = Path(folder) / "tasks.py"
            code.write_text(_source(_inputs()), encoding="utf-8")
            command += ["--code", str(code)]
        else:
            save(lab, _inputs())
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        print(done.stdout + done.stderr)
        if not results.is_file():
            return 0.0
        graded = json.loads(results.read_text(encoding="utf-8"))["tasks"]
    return next(round(entry["earned"], 2) for entry in graded if entry["id"] == task.id)


def save(lab: Lab, cells: list[str]) -> bool:
    """Put what `cells` define into `tasks.py`; return whether that changed it.

    Unfinished definitions are not saved. Finished work that would be lost is backed up first.

    Parameters
    ----------
    cells : list of str
        Sources of the cells that ran, in order; of two definitions of one name the later counts.
    """
    source = _source(cells)
    before = text = lab.tasks_file.read_text(encoding="utf-8")
    lines = source.splitlines()
    present = definitions(before)
    loses = False
    for name, found in definitions(source).items():
        if found.stub:
            continue
        piece = "\n".join(lines[found.line - 1 : found.end_line])
        after = replaced(text, name, piece)
        loses |= after != text and name in present and not present[name].stub
        text = after
    text = _with_needed(text, source)
    if text == before:
        return False
    if loses:
        keep_backup(lab.tasks_file)
    write_atomically(lab.tasks_file, text.encode())
    say(f"saved to {shown(lab.tasks_file)}")
    return True


def _with_needed(text: str, source: str) -> str:
    """Add imports and constants of `source` that `text` uses and lacks, below its imports."""
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    new = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        else:
            continue
        if used & set(missing(text, names)):
            new.append(ast.unparse(node))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    place = (imports[-1].end_lineno or 0) if imports else 0
    lines = text.splitlines()
    return "\n".join([*lines[:place], *new, *lines[place:]]) + "\n" if new else text


def _source(cells: list[str]) -> str:
    """What cells define, as one text."""
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    return notebook_source(json.dumps(notebook))[0]


def _inputs() -> list[str]:
    """Sources of the cells that ran in this notebook so far."""
    from IPython import get_ipython  # type: ignore[import-not-found]

    shell: Any = get_ipython()
    return list(shell.user_ns["In"])
