"""What a student's copy of the course knows of a solution: its answers to the public checks."""

from grading.core.collect import collect
from grading.core.passes import run_check
from grading.core.processes import new_reference
from grading.core.session import Session
from labs.course.catalogue import Lab
from toolkit.errors import EtudeError


def recorded_answers(lab: Lab) -> str:
    """What the solution answers to every public check, in the form that a session reads.

    Raises
    ------
    EtudeError
        If one of them fails: there is nothing to judge students by.
    """
    checks = [(check, test) for check, test in collect(lab) if not check.hidden]
    session = Session(lab, "solution", [check for check, _ in checks])
    session.reference = new_reference(lab)
    try:
        for check, test in checks:
            if run_check(session, check.name, test).outcome != "passed":
                raise EtudeError(
                    f"the solution of lab {lab.number} fails its own check {check.name}: fix "
                    "either before students get them"
                )
        return session.reference.record()
    finally:
        session.close()
        session.reference.close()
        session.close()
