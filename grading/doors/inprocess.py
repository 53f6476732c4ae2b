"""`pytest grading --inprocess`: everything in pytest's own process, where a debugger can stop."""

from grading.core.session import Session
from grading.sandbox.proxy import Code


def student_code(session: Session) -> Code:
    """The submission, without a worker."""
    return code(session, session.submission.source, str(session.submission.path))


def solution_code(session: Session) -> Code:
    """The solution, without a worker; in a student's copy, what was recorded of it."""
    if session.solution is None:
        return Code(session.reference.dialogue(0).ask)
    return code(session, session.solution, "solution.py")


def reader_code(session: Session) -> Code:
    """The lab's builders and nobody's code."""
    return code(session, "", "reader")


def code(session: Session, source: str, name: str) -> Code:
    """What answers as a worker that has loaded a source would."""
    from grading.sandbox.worker.serve import Server  # a grader with workers imports no Keras

    server = Server(f"grading.lab{session.lab.number}.builders")
    exec(compile(source, name, "exec"), server.module.__dict__)
    return Code(server.directly)
