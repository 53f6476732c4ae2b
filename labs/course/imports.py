"""What a student's file imports that its lab does not name."""

import ast
import sys
from contextlib import suppress

from labs.course.catalogue import Lab
from labs.course.definitions import parsed
from labs.course.reset import fresh_tasks
from labs.course.submission import Submission
from toolkit.errors import EtudeError
from toolkit.plain import plain, printable


def import_notes(lab: Lab, submission: Submission) -> tuple[str, ...]:
    """Tell what a file imports besides what its lab names, Python's own modules and `toolkit`."""
    with suppress(EtudeError):  # nobody can tell what the lab names
        named = imported(fresh_tasks(lab)) - sys.stdlib_module_names
        known = named | sys.stdlib_module_names | {"toolkit"}
        if other := sorted(imported(submission.source) - known):
            names = plain(", ".join(other), 200)
            offered = ", ".join(sorted(named | {"toolkit"}))
            return (
                f"{printable(submission.path.name)} imports {names}, which Lab {lab.number} does "
                "not name and which may be missing where you are graded: use Python's own modules "
                f"or {offered}",
            )
    return ()


def imported(source: str) -> set[str]:
    """The packages that a text imports anywhere; of `import a.b`, `a`."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found
