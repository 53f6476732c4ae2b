"""A lab's notebook with answers in its stub cells, run as a student runs it: in a kernel."""

import json
import shutil
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from labs.course.build import generate, stub_file
from labs.course.catalogue import Lab, all_labs
from labs.course.definitions import definitions
from toolkit.paths import ROOT


def course_copy(folder: Path) -> Path:
    """Copy the course, nothing solved: in ROOT somebody may have written."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "cache")
    course = Path(shutil.copytree(ROOT, folder / "etude", ignore=ignored))
    for lab in all_labs():
        tasks = course / lab.tasks_file.relative_to(ROOT)
        tasks.write_text(stub_file(lab), encoding="utf-8")
    return course


def filled(lab: Lab, answers: dict[str, str]) -> NotebookNode:
    """The notebook with these answers, by task id, in the place of stubs."""
    book = nbformat.reads(generate(lab)[lab.notebook_file], as_version=4)
    for cell in book.cells:
        mark = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        task = mark.removeprefix("task_").replace("_", ".")
        if mark.startswith("task_") and task in answers:
            cell.source = answers[task]
    return book


def solution_answers(lab: Lab) -> dict[str, str]:
    """Each task's definition in the solution."""
    source = lab.solution_file.read_text(encoding="utf-8")
    found, lines = definitions(source), source.splitlines()
    return {
        task.id: "\n".join(lines[found[task.name].line - 1 : found[task.name].end_line])
        for task in lab.tasks
    }


def checks_only(book: NotebookNode, task_ids: list[str]) -> NotebookNode:
    """Leave out the experiment and all checks but these."""
    wanted = {f'check("{task}")' for task in task_ids}
    book.cells = [
        cell
        for cell in book.cells
        if not cell.source.startswith(("check(", "!")) or cell.source in wanted
    ]
    return book


def executed(book: NotebookNode, lab: Lab, course: Path) -> NotebookNode:
    """Run every cell in a kernel, in the copy's folder of the lab."""
    folder = course / "labs" / lab.slug
    client = NotebookClient(book, timeout=1200, resources={"metadata": {"path": str(folder)}})
    return client.execute()


def verdicts(book: NotebookNode) -> dict[str, tuple[float, str]]:
    """Points and page of each check cell that ran, by task id."""
    found = {}
    for cell in book.cells:
        if cell.cell_type == "code" and cell.source.startswith("check("):
            task = json.loads(cell.source[len("check(") : -1])
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    found[task] = float(output.data["text/plain"]), output.data["text/html"]
    return found


def printed(book: NotebookNode, start: str) -> str:
    """What the cell that starts so printed."""
    (cell,) = [cell for cell in book.cells if cell.source.startswith(start)]
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")
