"""What a notebook's kernel has run, for the processes that it starts: to grade, to train.

A notebook on disk may be older than what its author sees, and on Colab it is not there at all. So
the kernel keeps the cells that it ran in a file, and whoever it starts finds that file.
"""

import json
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labs.course.catalogue import Lab
from labs.course.cells import names_bound
from labs.course.submission import MAX_BYTES
from toolkit.errors import EtudeError
from toolkit.paths import write_whole

HISTORY = "ETUDE_HISTORY"  # environment variable: where the file is

_OPENING = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)


def shell() -> Any:
    """The notebook's shell; None outside a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # type: ignore[import-not-found]

    found = get_ipython()
    return found if hasattr(found, "kernel") else None


class History:
    """The file with the cells that this kernel ran; it goes when the kernel does."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory(prefix="etude-")
        self.file = Path(self.folder.name) / "history.json"
        os.environ[HISTORY] = str(self.file)
        shell().events.register("pre_run_cell", lambda info: self.save())
        self.save()

    def save(self) -> None:
        """Write the cells as they were typed; the place of each is the number that it shows."""
        write_whole(self.file, json.dumps(list(shell().history_manager.input_hist_raw)))


def kernels_notebook(lab: Lab) -> Path | None:
    """Write what the kernel that started this process has of a lab as a notebook.

    Its cells are those of the saved notebook, then those that ran: the later counts. Under
    nbgrader, whose kernels run other people's notebooks, the saved one stays out.

    Returns
    -------
    Path or None
        None if no kernel started this process, or none of the cells that ran is about this lab.

    Raises
    ------
    EtudeError
        If the kernel has run more code than can be graded.
    """
    others = "NBGRADER_EXECUTION" in os.environ
    try:
        history = Path(os.environ[HISTORY])
        ran = json.loads(history.read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):  # no kernel, or one that has ended
        return None
    tasks = {task.name for task in lab.tasks}
    if not others and not any(_named(cell) & tasks for cell in ran):
        return None
    cells = [] if others else _saved_cells(lab)
    cells += [_code_cell(source, count) for count, source in enumerate(ran) if count]
    _blank(cells, tasks)
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    if len(text) > MAX_BYTES:
        raise EtudeError(
            f"this notebook's kernel has run over {MAX_BYTES // 1_000_000} MB of code: restart "
            "it, and run only the cells that count"
        )
    path = history.parent / lab.notebook_file.name
    write_whole(path, text)
    return path


def _code_cell(source: str, count: int | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = {"metadata": {}, "outputs": [], "execution_count": count}
    return {"cell_type": "code", "source": source, **fields}


def _saved_cells(lab: Lab) -> list[dict[str, Any]]:
    """The cells of the lab's notebook as it was saved; none if it cannot be read."""
    try:
        cells = json.loads(lab.notebook_file.read_text(encoding="utf-8"))["cells"]
        return [
            _code_cell("".join(cell["source"]))
            if cell["cell_type"] == "code"
            else {"cell_type": "markdown", "source": cell["source"], "metadata": {}}
            for cell in cells
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _named(cell: str) -> set[str]:
    """Names that a cell binds; if it is not Python, those whose definition it opens."""
    bound = names_bound(cell)
    return set(_OPENING.findall(cell)) if bound is None else bound


def _blank(cells: list[dict[str, Any]], tasks: set[str]) -> None:
    """Blank cells that say nothing any more.

    These are older versions of tasks (nothing but a call uses a task, so only the last one
    counts), and what was not Python and has been corrected or defines nothing.
    """
    later: set[str] = set()
    for cell in reversed([cell for cell in cells if cell["cell_type"] == "code"]):
        source, bound = cell["source"], names_bound(cell["source"])
        if (bound and bound <= later & tasks) or (bound is None and _named(source) <= later):
            cell["source"] = ""
        later |= bound or set()
