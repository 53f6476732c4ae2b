"""A lab's processes, which serve every grading here: its zygote, and the solution's workers."""

import atexit

from grading.core.reference import Reference, answers_file
from grading.sandbox.workers import Worker, Zygote
from labs.course.catalogue import Lab
from toolkit.paths import ROOT

_zygotes: dict[int, Zygote] = {}
_references: dict[tuple[int, int], Reference] = {}


def zygote(lab: Lab) -> Zygote:
    """The lab's zygote; it stays for the next grading in this process."""
    if lab.number not in _zygotes:
        builders = ROOT / "grading" / f"lab{lab.number}" / "builders.py"
        preload = ("keras", *lab.preload)
        _zygotes[lab.number] = Zygote(preload, builders if builders.is_file() else None)
        atexit.register(_zygotes[lab.number].close)
    return _zygotes[lab.number]


def reference(lab: Lab, lane: int = 0) -> Reference:
    """The lab's solution, or what it once answered; it serves every grading in this process.

    Each of several threads, numbered by its lane, has a worker of its own to ask.
    """
    if (lab.number, lane) not in _references:
        if lane:
            made = reference(lab).clone()
        elif lab.solution_file.is_file():
            made = new_reference(lab)
        else:
            made = Reference.recorded(answers_file(lab))
        _references[lab.number, lane] = made
    return _references[lab.number, lane]


def new_reference(lab: Lab) -> Reference:
    """The lab's solution, asked nothing yet."""

    def start() -> Worker:
        worker = zygote(lab).worker()
        worker.allow(60)
        solution = lab.solution_file.read_text(encoding="utf-8")
        worker.load(compile(solution, "solution.py", "exec"))
        return worker

    return Reference(start)
